"""The tiny project that everything is done to: a real model, a thousand pairs, and what a run of it leaves."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.pairs import labelled_rows, write_jsonl
from tests.tiny import write_backbone

SETTINGS = """
loops = 2
[encoding]
max_length = 128
[thresholds]
n_min = 5
[compute]
threads = 1
dtype = "float32"
[reward_model]
learning_rate = 5e-3
batch_size = 8
[reward_model.lora]
r = 4
[ppo]
episodes = 96
batch_size = 8
minibatch_size = 8
epochs = 2
response_tokens = 24
[ppo.lora]
r = 2
[judging]
prompts = 200
"""
"""Small, and yet of enough batches, steps and rollouts that a tenth of a stage can be told from all of it. In
bfloat16 a model has other last bits where the cache of states could not be written."""

DATASET = "tiny"
PAIRS = 1500


@dataclass(frozen=True)
class Project:
    """A folder with a model, a file of pairs and settings; data roots are made beside them."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> "Project":
        """Make one, and point this process at its settings: before anything imports the code location."""
        (folder / "model").mkdir(parents=True)
        _in_a_process(lambda: write_backbone(folder / "model"))
        write_jsonl(folder / "pairs.jsonl", labelled_rows(PAIRS))
        (folder / "ser.toml").write_text(SETTINGS)
        for name in [name for name in os.environ if name.startswith("SER_") or name == "DAGSTER_HOME"]:
            del os.environ[name]
        os.environ |= {"SER_CONFIG": str(folder / "ser.toml"), "SER_BACKBONE__MODEL": str(folder / "model")}
        return cls(folder)

    @property
    def pairs(self) -> Path:
        """The file that is landed."""
        return self.folder / "pairs.jsonl"

    def copy_of(self, root: Path, name: str) -> Path:
        """A data root that begins as `root` is now."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return Path(shutil.copytree(root, self.folder / name, symlinks=True))


def _in_a_process(action: Callable[[], object]) -> None:
    """Do what starts threads elsewhere: a process with threads cannot be forked as a whole."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the tiny model could not be made")


def artifacts(root: Path) -> dict[str, bytes]:
    """Every file of every artifact that a run of `root` stands for, but the manifests."""
    found = {}
    for head in sorted((root / "heads").rglob("[!.]*.json")):
        said = json.loads(head.read_text())
        folder = root / "artifacts" / said["key"] / said["version"]
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "manifest.json":
                found[f"{head.relative_to(root / 'heads')}: {path.relative_to(folder)}"] = path.read_bytes()
    return found


def differences(wanted: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """The names of files that are missing, too many, or of other bytes."""
    return [name for name in sorted(wanted.keys() | found.keys()) if wanted.get(name) != found.get(name)]


def leftovers(root: Path) -> list[str]:
    """Whatever is only there because something was cut short."""
    signs = (".tmp", ".damaged-", "staging", "checkpoint", ".wal")
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if "dagster" not in path.parts]
    return [name for name in names if any(sign in name.rsplit("/", 1)[-1] for sign in signs)]
