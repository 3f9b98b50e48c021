"""The artifact store: immutable, content-addressed folders, each made once."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resources.code_version import PACKAGES, code_version, git_commit, rounding_version
from resources.disk import clear, fsync, is_full, replace, write_text
from resources.launchers import Launcher, device_names
from resources.locks import only_writer
from resources.manifests import MANIFEST, DamagedArtifactError, check_file, check_whole, digest_of, file_digests, sealed
from resources.stopwatch import Stopwatch
from ser.errors import SerError
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec
from ser.stages.job import Job, module_of


class DiskFullError(SerError):
    """There was no space for an artifact; `folder` holds the unfinished one."""

    def __init__(self, key: str, folder: Path):
        super().__init__(
            f"no disk space for artifact {key} in {folder.parent}. Free some space and run again: "
            "what is finished is kept."
        )
        self.folder = folder


@dataclass(frozen=True)
class Part:
    """Something a stage reads: a file or folder, and the digest of its content.

    `version` is that of the artifact it belongs to, for the manifest; only the digest decides versions.
    """

    path: Path
    digest: str
    version: str = ""


@dataclass(frozen=True)
class Artifact:
    """A complete folder of the store."""

    key: str
    version: str
    path: Path
    reused: bool = False
    pruned: bool = False
    """Whether only its record is left (see `resources.pruned`)."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Everything that depends on when, where or by whom the artifact was made, and the digests of its files."""
        return json.loads((self.path / MANIFEST).read_text())

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the stage returned."""
        return json.loads((self.path / "summary.json").read_text())

    def part(self, name: str) -> Part:
        """A file of the artifact, or a folder with everything in it."""
        files = self.manifest["files"]
        if name in files:
            return Part(self.path / name, files[name], self.version)
        inside = {file: digest for file, digest in files.items() if file.startswith(f"{name}/")}
        if not inside:
            raise DamagedArtifactError(f"artifact {self.key}/{self.version} has no {name}. Delete {self.path}.")
        return Part(self.path / name, digest_of(inside), self.version)

    def whole(self) -> Part:
        """All of the artifact."""
        return Part(self.path, digest_of(self.manifest["files"]), self.version)


Inputs = Mapping[str, "Part | list[Part]"]
Adopt = Callable[[Artifact], object]
Caches = Mapping[str, Path | list[Path]]


class ArtifactStore:
    """Artifacts under `root`, as `<asset key>/<version>/`.

    A folder with a manifest is complete: it is written beside its place under a name that starts with a dot,
    flushed to disk, and renamed. A killed stage continues in that folder.
    """

    def __init__(self, root: Path, launcher: Launcher, execution: Execution = HERE):
        self.root = root
        self.launcher = launcher
        self.execution = execution

    def make(
        self, key: str, stage: str, spec: Spec, inputs: Inputs, *, progress: Progress, run_id: str = "",
        adopt: Adopt = lambda artifact: None, caches: Caches = MappingProxyType({}),
    ) -> Artifact:  # fmt: skip
        """The artifact of `stage` (a module of `ser.stages`) on `spec` and `inputs`: found, or made now.

        `adopt` is as in `build`. `caches` are inputs that are not part of the version: folders that save work if they
        are there.

        Raises:
            DiskFullError: what is finished is kept.
            SerError: the stage refused its input.
        """
        module = module_of(stage)
        facts = {
            "stage": module,
            "code": code_version(module),
            "spec": spec.model_dump(),
            **rounding_version(spec),
            "inputs": {name: described(part) for name, part in inputs.items()},
            "run_id": run_id,
            "execution": self.execution.model_dump() | {"devices": device_names(spec), "caches": _present(caches)},
        }

        def work(out: Path) -> dict[str, Any]:
            return self.launcher(Job.of(stage, spec, {**_paths(inputs), **caches}, out, self.execution), progress)

        return self.build(key, version_of(stage, spec, inputs), work, facts, progress, adopt)

    def build(
        self,
        key: str,
        version: str,
        work: Callable[[Path], dict[str, Any]],
        facts: Mapping[str, Any],
        progress: Progress,
        adopt: Adopt = lambda artifact: None,
    ) -> Artifact:
        """The artifact `key`/`version`: found, or written now by `work` into the folder that it is given.

        `adopt` makes something refer to it, before anybody who prunes may look.
        """
        place = self.root / key / version
        temporary = place.with_name(f".{version}.tmp")
        try:
            with only_writer(temporary):
                found = self._found(key, version, progress)
                if found is not None:
                    adopt(found)
                    return found
                summary = temporary / "summary.json"
                with Stopwatch(temporary) as watch:
                    if not summary.exists():  # a killed process may have finished the work without publishing it
                        write_text(summary, json.dumps(work(temporary), sort_keys=True, indent=1) + "\n")
                clear(temporary)  # what the stage kept for the case of a kill
                watch.keep()  # until the manifest says it
                files = file_digests(temporary)
                files.pop(watch.mark.name, None)
                manifest = {"key": key, "version": version, "files": files, **_circumstances(watch)}
                _publish(temporary, place, manifest | dict(facts))
                made = Artifact(key, version, place)
                adopt(made)
                return made
        except Exception as error:
            if is_full(error, self.root):
                raise DiskFullError(key, temporary) from error
            raise

    def _found(self, key: str, version: str, progress: Progress) -> Artifact | None:
        """The finished artifact; a damaged one is put aside, said, and made again."""
        place = self.root / key / version
        if not (place / MANIFEST).exists():
            return None
        try:
            return self.load(key, version)
        except DamagedArtifactError as error:
            aside = place.with_name(f".damaged-{version}-{time.time_ns()}")
            place.rename(aside)
            progress(0, 1, "artifacts", f"{error} This one does; what was there is now {aside.name}.")
            return None

    def load(self, key: str, version: str) -> Artifact:
        """A complete artifact, its files checked against their digests.

        Raises:
            DamagedArtifactError: names the first file that is not what it was.
        """
        place = self.root / key / version
        check_whole(place, f"{key}/{version}")
        return Artifact(key, version, place, reused=True)

    def look(self, key: str, version: str) -> Artifact:
        """A complete artifact of which only manifest and summary are checked: to say what it is, never to read it.

        Raises:
            DamagedArtifactError: one of the two is not what was written.
        """
        place = self.root / key / version
        check_file(place, f"{key}/{version}", "summary.json")
        return Artifact(key, version, place, reused=True)


def version_of(stage: str, spec: Spec, inputs: Inputs) -> str:
    """What names a stage's work: its code, what it is told, and the content of what it reads."""
    content = {
        "code": code_version(module_of(stage)),
        "spec": spec.model_dump(),
        **rounding_version(spec),
        "inputs": {
            name: [one.digest for one in part] if isinstance(part, list) else part.digest
            for name, part in inputs.items()
        },
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _paths(inputs: Inputs) -> dict[str, Path | list[Path]]:
    return {name: [one.path for one in part] if isinstance(part, list) else part.path for name, part in inputs.items()}


def _present(caches: Caches) -> dict[str, bool | list[str]]:
    """Which of some caches are there; of a list those that are, by the ends of their paths."""
    return {
        name: ["/".join(path.parts[-2:]) for path in cache if path.exists()]
        if isinstance(cache, list)
        else cache.exists()
        for name, cache in caches.items()
    }


def described(part: Part | list[Part]) -> Any:
    """An input as a manifest names it: version, name and digest."""
    if isinstance(part, list):
        return [described(one) for one in part]
    return {"version": part.version, "file": part.path.name, "sha256": part.digest}


def _circumstances(watch: Stopwatch) -> dict[str, Any]:
    return {
        "packages": {package: metadata.version(package) for package in PACKAGES},
        "git_commit": git_commit(),
        "started_at": watch.started_at,
        "finished_at": datetime.now(UTC).isoformat(),
        **watch.measured(),
    }


def _publish(temporary: Path, place: Path, facts: Mapping[str, Any]) -> None:
    """Flush everything, write the manifest last, and rename the folder into its place."""
    for path in temporary.rglob("*"):
        if path.is_file():
            fsync(path)
    manifest = temporary / MANIFEST
    manifest.write_text(json.dumps(sealed(facts), indent=1, sort_keys=True) + "\n")
    fsync(manifest)
    clear(temporary)
    if place.exists():  # a folder without a manifest is nobody's
        shutil.rmtree(place)
    replace(temporary, place)
