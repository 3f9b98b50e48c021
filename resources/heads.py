"""Heads: which artifact an asset key stands for, under a snapshot and the digest of the settings."""

import json
from collections.abc import Iterator
from pathlib import Path

from resources.artifacts import Artifact, ArtifactStore
from resources.disk import write_text
from resources.settings import Settings
from ser.errors import SerError

SETTINGS = ".settings.json"


def known_runs(root: Path) -> Iterator[tuple[str, Settings]]:
    """Every snapshot and the settings it was run with, the one touched last at the end."""
    found = (root / "heads").glob(f"*/*/{SETTINGS}")
    for path in sorted(found, key=lambda path: path.parent.stat().st_mtime_ns):
        yield path.parents[1].name, Settings.model_validate_json(path.read_text())


class Heads:
    """Pointers `heads/<snapshot>/<settings digest>/<asset key>.json`, each replaced atomically.

    The settings themselves lie beside them, so that what was run can be told later.
    """

    def __init__(self, root: Path, snapshot: str, settings: Settings, store: ArtifactStore):
        self.folder = root / "heads" / snapshot / settings.digest
        self.settings = settings
        self.store = store

    def set(self, artifact: Artifact) -> None:
        """Let the artifact's key stand for it."""
        about = self.folder / SETTINGS
        if not about.exists():
            write_text(about, self.settings.model_dump_json() + "\n")
        head = {"key": artifact.key, "version": artifact.version}
        write_text(self._path(artifact.key), json.dumps(head) + "\n")

    def get(self, key: str) -> Artifact:
        """The artifact that `key` stands for.

        Raises:
            SerError: the asset has not been materialised for this snapshot and these settings.
        """
        found = self.find(key)
        if found is None:
            raise SerError(f"{key} has not been made for this snapshot and these settings. Materialise {key} first.")
        return found

    def paths(self) -> list[Path]:
        """The folders of the artifacts that are stood for, whether or not they are still there."""
        heads = [json.loads(self._path(key).read_text()) for key in self.made()]
        return [self.store.root / head["key"] / head["version"] for head in heads]

    def find(self, key: str) -> Artifact | None:
        """The artifact that `key` stands for, or None."""
        try:
            head = json.loads(self._path(key).read_text())
        except FileNotFoundError:
            return None
        return self.store.load(head["key"], head["version"])

    def made(self) -> Iterator[str]:
        """Every key that stands for something."""
        for path in sorted(self.folder.rglob("*.json")):
            if not path.name.startswith("."):
                yield path.relative_to(self.folder).as_posix().removesuffix(".json")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
