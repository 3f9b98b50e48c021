"""An evolution of the sample, and another one after a twentieth of new unlabelled pairs has landed."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import table
from bench.typed import ser
from bench.workload import model_folder
from resources import asset_keys as keys
from resources.settings_file import ROOT

HEADINGS = ["seconds", "first", "again", "again / first"]
NEW = 0.05
"""New pairs, of those that were there."""
MOST = 0.3
"""Of the first evolution, without the retraining of the second."""
SAMPLE = ROOT / "data" / "sample"
JUDGED = "judge_labels.jsonl"


@dataclass(frozen=True)
class Execution:
    """How long a `ser run` took, and each artifact that it made."""

    seconds: float
    made: Mapping[str, float]

    def of(self, kind: str) -> float:
        """The seconds of one kind of work; of `else` whatever the artifacts do not explain."""
        if kind == "else":
            return self.seconds - sum(self.made.values())
        return sum(seconds for key, seconds in self.made.items() if _kind(key) == kind)


KINDS = ("seed RM", "retraining", "labels", "held-out scores", "judge", "PPO", "judging the policy", "else")


def rerun(pairs: int, loops: int, episodes: int, prompts: int) -> str:
    """The seconds of both evolutions by kind of work, and the second's without its retraining against the first."""
    environment = os.environ | {
        "SER_LOOPS": str(loops), "SER_PPO__EPISODES": str(episodes), "SER_JUDGING__PROMPTS": str(prompts),
        "SER_BACKBONE__MODEL": str(model_folder()),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        environment["SER_DATA"] = str(Path(folder) / "data")
        first, again = (_executed(environment, files) for files in _files(Path(folder), pairs))
    rows = [[kind, *_cells(first.of(kind), again.of(kind))] for kind in KINDS]
    rows.append(["all", *_cells(first.seconds, again.seconds)])
    trained_first, trained_again = (one.of("retraining") + one.of("PPO") for one in (first, again))
    left, ratio = again.seconds - trained_again, (again.seconds - trained_again) / first.seconds
    reached = f"**{ratio:.2f}** (must ≤ {MOST}: {'yes' if ratio <= MOST else 'missed'})"
    rows.append(["all, without the retraining of the second", f"{first.seconds:.0f}", f"{left:.0f}", reached])
    rows.append(["all, without the retraining of either", *_cells(first.seconds - trained_first, left)])
    return table(rows, HEADINGS)


def _kind(key: str) -> str:
    if keys.measured_model(key):
        return "held-out scores"
    if key == keys.SEED_RM:
        return "seed RM"
    names = {"retrained_rm": "retraining", "self_labels": "labels", "judge_rm": "judge", "ppo_policy": "PPO",
             "policy_evaluation": "judging the policy"}  # fmt: skip
    return names.get(key.rpartition("/")[2], "else")


def _cells(first: float, again: float) -> Iterator[str]:
    yield f"{first:.0f}"
    yield f"{again:.0f}"
    yield f"{again / first:.2f}" if first >= 0.5 else "–"


def _files(folder: Path, pairs: int) -> tuple[list[Path], list[Path]]:
    """The first `pairs` of the sample with their judge labels, and a twentieth more without labels."""
    rows, judged = ([json.loads(line) for line in (SAMPLE / name).open()] for name in ("pairs.jsonl", JUDGED))
    order = sorted(range(len(rows)), key=lambda place: rows[place]["group"])  # which stay together
    old, new = order[:pairs], order[pairs : pairs + round(NEW * pairs)]
    texts = {_texts(rows[place]) for place in old}
    parts = {
        "pairs.jsonl": [rows[place] for place in old],
        JUDGED: [row for row in judged if _texts(row) in texts],
        "more.jsonl": [{**rows[place], "preferred": None} for place in new],
    }
    for name, part in parts.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in part))
    return [folder / "pairs.jsonl", folder / JUDGED], [folder / "more.jsonl"]


def _texts(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["prompt"], *sorted((row["response_a"], row["response_b"]))


def _executed(environment: Mapping[str, str], files: list[Path]) -> Execution:
    ser(environment, "land", *map(str, files), "--dataset", "sample")
    result = json.loads(ser(environment, "run", "--json"))
    store = Path(environment["SER_DATA"]) / "artifacts"
    manifests = (json.loads(path.read_text()) for path in store.rglob("manifest.json"))
    made: dict[str, float] = {}
    for manifest in manifests:
        if manifest["run_id"] == result["run_id"]:
            made[manifest["key"]] = made.get(manifest["key"], 0.0) + manifest["seconds"]
    return Execution(result["seconds"], made)
