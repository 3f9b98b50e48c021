"""Heads: which artifact an asset key stands for, under a snapshot and the digest of the settings."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from resources.artifacts import Artifact, ArtifactStore
from resources.disk import read_json, write_text
from resources.manifests import MANIFEST, DamagedArtifactError
from resources.pruned import record_place
from resources.settings import RecordedSettings, Settings
from ser.errors import SerError

SETTINGS = ".settings.json"


def known_runs(root: Path) -> Iterator[tuple[str, Settings]]:
    """Every snapshot and the settings it was run with, the one touched last at the end.

    Raises:
        SerError: the settings of a run cannot be read, or are no longer settings.
    """
    found = (root / "heads").glob(f"*/*/{SETTINGS}")
    for path in sorted(found, key=lambda path: path.parent.stat().st_mtime_ns):
        yield path.parents[1].name, RecordedSettings.read(path)


class Head(NamedTuple):
    """What one file says: under `snapshot`, the asset `key` stands for its artifact `version`."""

    snapshot: str
    key: str
    version: str


def every_head(root: Path, key: str = "**/*") -> Iterator[Head]:
    """All heads of all snapshots and settings, or those of one asset key.

    Raises:
        SerError: a head cannot be read.
    """
    for path in sorted((root / "heads").glob(f"*/*/{key}.json")):
        if not path.name.startswith("."):
            yield Head(path.relative_to(root / "heads").parts[0], *_read(path))


class Heads:
    """Pointers `heads/<snapshot>/<settings digest>/<asset key>.json`, each replaced atomically.

    The settings themselves lie beside them, so that what was run can be told later.
    """

    def __init__(self, root: Path, snapshot: str, settings: Settings, store: ArtifactStore):
        self.folder = root / "heads" / snapshot / settings.digest
        self.settings = settings
        self.store = store
        self._told: set[str] = set()

    def set(self, artifact: Artifact) -> None:
        """Let the artifact's key stand for it."""
        about = self.folder / SETTINGS
        if not about.exists():
            write_text(about, self.settings.model_dump_json() + "\n")
        head = {"key": artifact.key, "version": artifact.version}
        write_text(self._path(artifact.key), json.dumps(head) + "\n")

    def get(self, key: str) -> Artifact:
        """The artifact that `key` stands for, to make something from.

        Raises:
            SerError: the asset has not been materialised for this snapshot and these settings, or was pruned since.
        """
        found = self.find(key)
        if found is None:
            raise SerError(f"{key} has not been made for this snapshot and these settings. Materialise {key} first.")
        if found.pruned:
            raise SerError(f"{key} {found.version} was pruned: only its record is left. Materialise {key} again first.")
        return found

    def paths(self) -> list[Path]:
        """The folders of the artifacts that are stood for, whether or not they are still there."""
        heads = [_read(self._path(key)) for key in self.made()]
        return [self.store.root / key / version for key, version in heads]

    def find(self, key: str) -> Artifact | None:
        """The artifact that `key` stands for, or what is left of it if it was pruned, or None.

        Raises:
            DamagedArtifactError: names the first file that is not what it was.
            SerError: the head cannot be read.
        """
        head = self._path(key)
        if not head.exists():
            return None
        key, version = _read(head)
        place = self.store.root / key / version
        if _is_pruned(place):
            return Artifact(key, version, record_place(place), reused=True, pruned=True)
        return self.store.load(key, version)

    def find_whole(self, key: str, tell: Callable[[str], None]) -> Artifact | None:
        """As `find`, but a damaged artifact counts as not made; `tell` hears of it once."""
        try:
            return self.find(key)
        except DamagedArtifactError as error:
            if key not in self._told:
                self._told.add(key)
                tell(f"passed over: {error}")
            return None

    def pruned(self) -> bool:
        """Whether only the record is left of anything that is stood for."""
        return any(_is_pruned(place) for place in self.paths())

    def made(self) -> Iterator[str]:
        """Every key that stands for something."""
        for path in sorted(self.folder.rglob("*.json")):
            if not path.name.startswith("."):
                yield path.relative_to(self.folder).as_posix().removesuffix(".json")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _read(head: Path) -> tuple[str, str]:
    """The key and the version of the artifact that a head names."""
    remedy = "Delete it and run again: what is finished is reused."
    said = read_json(head, remedy)
    if not isinstance(said, dict) or not {"key", "version"} <= said.keys():
        raise SerError(f"{head} cannot be read: it names no artifact.\n{remedy}")
    return said["key"], said["version"]


def _is_pruned(place: Path) -> bool:
    return not (place / MANIFEST).exists() and record_place(place).exists()
