"""Heads: which artifact an asset key stands for in an evolution, and what the evolution is."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from resources.artifacts import Artifact, ArtifactStore
from resources.disk import read_json, write_text
from resources.manifests import MANIFEST, DamagedArtifactError
from resources.pruned import record_place
from resources.settings import RecordedSettings, Settings
from ser.errors import SerError
from ser.specs import HandPromotion

ABOUT = ".evolution.json"
"""Beside the heads of an evolution: its settings, its name, and when it was last executed."""
BY_HAND = ".promoted_by_hand.json"
"""Beside them, where a person promotes a loop: who promotes which model, and why."""


class KnownEvolution(NamedTuple):
    """An evolution that has been executed."""

    snapshot: str
    settings: Settings
    name: str | None
    executed_at: str
    """When its last execution began (ISO 8601, UTC)."""

    @property
    def identity(self) -> str:
        """`<snapshot>/<settings digest>`"""
        return f"{self.snapshot}/{self.settings.digest}"

    @property
    def dataset(self) -> str:
        """The dataset of its snapshot."""
        return self.snapshot.rpartition("-")[0]


def known_evolutions(root: Path, tell: Callable[[str], None] | None = None) -> list[KnownEvolution]:
    """Every evolution, the one that was executed last at the end.

    Args:
        tell: hears of one that cannot be read, which is left out.

    Raises:
        SerError: without `tell`: what one is cannot be read, or its settings are no longer settings.
        OSError: a folder of heads cannot be listed.
    """
    _refuse_hidden(root)
    found = []
    for path in (root / "heads").glob(f"*/*/{ABOUT}"):
        try:
            found.append(_known(path))
        except SerError as error:
            if tell is None:
                raise
            tell(str(error))
    return sorted(found, key=lambda one: (one.executed_at, one.identity))


def _known(path: Path) -> KnownEvolution:
    remedy = f"Put it back, or delete {path.parent} to forget that evolution."
    said = read_json(path, remedy)
    if not isinstance(said, dict) or not {"settings", "name", "executed_at"} <= said.keys():
        raise SerError(f"{path} cannot be read: it describes no evolution.\n{remedy}")
    settings = RecordedSettings.read(path, said["settings"])
    return KnownEvolution(path.parents[1].name, settings, said["name"], said["executed_at"])


class Head(NamedTuple):
    """What one file says: under `snapshot`, the asset `key` stands for its artifact `version`."""

    snapshot: str
    key: str
    version: str


def every_head(root: Path, key: str = "**/*") -> Iterator[Head]:
    """All heads of all evolutions, or those of one asset key.

    Raises:
        SerError: a head cannot be read.
        OSError: a folder of heads cannot be listed.
    """
    _refuse_hidden(root)
    for path in sorted((root / "heads").glob(f"*/*/{key}.json")):
        if not path.name.startswith("."):
            yield Head(path.relative_to(root / "heads").parts[0], *_read(path))


def _refuse_hidden(root: Path) -> None:
    """Raise where a folder cannot be listed: `glob` passes over it, and what its heads stand for would be nobody's."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for _ in os.walk(root / "heads", onerror=refuse):
        pass


class Heads:
    """Pointers `heads/<snapshot>/<settings digest>/<asset key>.json`, each replaced atomically."""

    def __init__(self, root: Path, snapshot: str, settings: Settings, store: ArtifactStore):
        self.folder = root / "heads" / snapshot / settings.digest
        self.settings = settings
        self.store = store
        self._told: set[str] = set()

    def begin(self, name: str | None = None) -> None:
        """Write down that an execution begins now, under what settings, and what a person calls the evolution."""
        self._write_about(name if name is not None else self.about().get("name"))

    def about(self) -> dict[str, Any]:
        """`settings`, `name` and `executed_at`; empty before the first execution."""
        path = self.folder / ABOUT
        found: dict[str, Any] = read_json(path, "Delete it and run again.") if path.exists() else {}
        return found

    def _write_about(self, name: str | None) -> None:
        now = datetime.now(UTC).isoformat()
        about = {
            "settings": self.settings.recorded(),
            "name": name,
            "executed_at": now,
        }
        write_text(self.folder / ABOUT, json.dumps(about, indent=1) + "\n")

    def promote_by_hand(self, decision: HandPromotion | None) -> None:
        """Write a person's decision down, or take it back."""
        path = self.folder / BY_HAND
        if decision is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, decision.model_dump_json(indent=1) + "\n")

    def promoted_by_hand(self) -> HandPromotion | None:
        """A person's decision, if there is one.

        Raises:
            SerError: it cannot be read.
        """
        path, remedy = self.folder / BY_HAND, "Delete it and promote again."
        if not path.exists():
            return None
        try:
            return HandPromotion.model_validate(read_json(path, remedy))
        except ValidationError as error:
            raise SerError(f"{path} cannot be read: it says nothing of a promotion.\n{remedy}") from error

    def set(self, artifact: Artifact, key: str | None = None) -> None:
        """Let the artifact's key, or another one, stand for it."""
        if not (self.folder / ABOUT).exists():
            self._write_about(None)
        head = {"key": artifact.key, "version": artifact.version}
        write_text(self._path(key or artifact.key), json.dumps(head) + "\n")

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
        return self._found(key, self.store.load)

    def _found(self, key: str, load: Callable[[str, str], Artifact]) -> Artifact | None:
        head = self._path(key)
        if not head.exists():
            return None
        key, version = _read(head)
        place = self.store.root / key / version
        if _is_pruned(place):
            return Artifact(key, version, record_place(place), reused=True, pruned=True)
        return load(key, version)

    def find_whole(self, key: str, tell: Callable[[str], None], *, look: bool = False) -> Artifact | None:
        """As `find`, but a damaged artifact counts as not made; `tell` hears of it once.

        Args:
            look: check manifest and summary alone, which is quick however large the artifact is.
        """
        try:
            return self._found(key, self.store.look if look else self.store.load)
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
