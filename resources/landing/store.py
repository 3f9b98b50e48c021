"""Where landed pairs are kept: append-only, content-addressed parquet parts, and snapshots that name them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from resources.disk import clear, file_digest, open_file, read_json, replace, write_text
from resources.landing.folders import dataset_folder
from resources.landing.notes import Notes
from resources.landing.parts import PARTS, is_snapshot
from resources.landing.store_folder import StoreFolder
from ser.data import tables
from ser.errors import SerError

_DIGITS = 32
"""How much of its digest a part's name holds."""
_MERGED = 8
"""How many parts of one size become one."""
_SMALL, _LARGE = 2**13, 2**25
"""Bytes up to which parts are of the smallest size, and from which on they are never merged."""
_NONE_YET = "-"
"""What `current` says while the first landing is being finished: without it, nobody could tell that from a loss."""
_BACKUP = "Put it back from a backup."


class DatasetStore:
    """The landed pairs of one dataset, in `landing/<dataset>/.landed`. Nothing in it is ever deleted.

    Raises:
        SerError: `landing/<dataset>` is a link out of the landing folder.
    """

    def __init__(self, root: Path, dataset: str):
        self.dataset = dataset
        self.dataset_folder = dataset_folder(root, dataset)
        self._folder = StoreFolder(self.dataset_folder)
        self.lock = self._folder.lock

    @property
    def folder(self) -> Path:
        """Where everything of the store is."""
        return self._folder.place

    def current(self) -> str | None:
        """The name of the current snapshot.

        Raises:
            SerError: there are snapshots, but what says which of them is current is lost, or cannot be read.
        """
        path = self.folder / "current"
        landed = self.has_landed()  # looked for first: a landing writes `current` before its first snapshot
        name = self._read_current(path)
        if landed and not name:
            raise SerError(
                f"dataset {self.dataset!r}: {self._folder.shown_as(path)} is missing or empty. Nothing was changed.\n"
                "Put it back from a backup, or write the name of the newest snapshot into it."
            )
        return name if name not in ("", _NONE_YET) else None

    def has(self, snapshot: str) -> bool:
        """Whether `snapshot` is one of this dataset's."""
        return (self.folder / "snapshots" / f"{snapshot}.json").exists()

    def has_landed(self) -> bool:
        """Whether there is a snapshot."""
        return any((self.folder / "snapshots").glob("*.json"))

    def snapshots(self) -> set[str]:
        """The names of all snapshots that there have been."""
        return {path.stem for path in (self.folder / "snapshots").glob("*.json")}

    def contents(self, snapshot: str | None) -> dict[str, Any]:
        """What a snapshot file says: `parts` (kind to file names), counts, and its `number`; of no snapshot: nothing.

        `until` is the time of the last landing that it has rows of.

        Raises:
            SerError: the file is damaged or gone.
        """
        if snapshot is None:
            return {"parts": {kind: [] for kind in PARTS}, "number": 0, "pairs": 0, "labelled": 0, "until": None}
        contents = self._read(f"snapshots/{snapshot}.json")
        if not is_snapshot(contents):
            raise SerError(
                f"dataset {self.dataset!r} was landed by another version of ser-dagster, which this one cannot read.\n"
                f"Keep its files, run ser forget {self.dataset}, and land them again."
            )
        return contents

    def history(self, snapshot: str) -> list[dict[str, Any]]:
        """What the files of this dataset's snapshots say, from the first one to this one.

        Raises:
            SerError: one of the files is damaged or gone.
        """
        files = [self.contents(snapshot)]
        while before := files[-1]["after"]:
            files.append(self.contents(before))
            if files[-1]["number"] >= files[-2]["number"]:
                raise SerError(f"{self._shown(before)} is not of the time before {snapshot}.\n{_BACKUP}")
        return files[::-1]

    def files(self, kind: str, parts: Mapping[str, Sequence[str]]) -> list[Path]:
        """The parquet files of all parts of one kind, whose bytes are what their names say.

        Raises:
            SerError: a part has changed, or is gone.
        """
        return [self._whole(self.folder / "parts" / name) for name in parts[kind]]

    def add_part(self, kind: str, rows: Iterable[dict[str, Any]]) -> list[str]:
        """Write rows as a part named by its content; no rows make no part. Only within `adding_parts`."""
        temporary = self.folder / "staging" / f"{kind}.part"
        if not tables.write(temporary, PARTS[kind], rows):
            temporary.unlink()
            return []
        part = self.folder / "parts" / f"{kind}-{file_digest(temporary)[:_DIGITS]}.parquet"
        if not part.exists():
            part.parent.mkdir(exist_ok=True)
            self._added.append(part)
            replace(temporary, part)
        return [part.name]

    @contextmanager
    def adding_parts(self) -> Iterator[None]:
        """Take the parts that are added in the block back if it fails: each try on a full disk would leave a copy.

        Only under the lock, and while there is a folder `staging`.
        """
        self._added: list[Path] = []
        try:
            yield
        except BaseException:
            for part in self._added:
                part.unlink(missing_ok=True)
            raise

    def merge_small(self, kind: str, names: Sequence[str]) -> list[str]:
        """The same rows in fewer parts: as soon as eight are of about one size, one larger part takes their place.

        So there are few parts after any number of landings, and how often a row is written grows with the logarithm of
        that number. The parts that are merged stay: snapshots of before name them. Only within `adding_parts`.
        """
        left = list(names)
        while small := _of_one_size({name: (self.folder / "parts" / name).stat().st_size for name in left}):
            left = [name for name in left if name not in small]
            left += self.add_part(
                kind, chain.from_iterable(tables.read(self.folder / "parts" / name) for name in small)
            )
        return left

    def commit(self, snapshot: str, contents: Mapping[str, Any], now: str) -> None:
        """Make a snapshot the current one. Until the last step the one before stays whole and current."""
        before = self.current()
        if before is None:
            write_text(self.folder / "current", f"{_NONE_YET}\n")
        known = self.contents(before)
        place = {"number": known["number"] + 1, "after": before, "landed_at": now}
        if before == snapshot:  # other parts, and the same content
            place = {name: known[name] for name in place}
        write_json(self.folder / "snapshots" / f"{snapshot}.json", {"snapshot": snapshot, **place, **contents})
        about = {"dataset": self.dataset, "created": self.about().get("created", now)}
        if about != self.about():
            write_json(self.folder / "dataset.json", about)
        if self.current() != snapshot:
            write_text(self.folder / "current", f"{snapshot}\n")

    def about(self) -> dict[str, Any]:
        """What stays true of the dataset: when it was `created`.

        Raises:
            SerError: the file is damaged or gone.
        """
        path = self.folder / "dataset.json"
        return self._read(path.name) if path.exists() or self.current() else {}

    def sweep(self) -> None:
        """Remove what a killed landing left half-written. Only under the lock.

        Parts of no snapshot stay: what names them may have been lost, and be put back.
        """
        clear(self.folder)

    def abandon(self) -> None:
        """Remove the folder of a dataset in which nothing has landed; one with a part stays. Only under the lock."""
        if any((self.folder / "parts").glob("*.parquet")):
            return
        self._folder.remove()

    def notes(self, name: str) -> Notes:
        """Which files have landed, under the map of columns that `name` stands for."""
        return Notes(self.folder / f"{name}.jsonl")

    def _read_current(self, path: Path) -> str:
        self._folder.refuse_link()
        try:
            with open_file(path) as file:
                return file.read().decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise SerError(
                f"dataset {self.dataset!r}: {self._folder.shown_as(path)} cannot be read: {error.strerror}.\n{_BACKUP}"
            ) from error

    def _shown(self, snapshot: str) -> Path:
        return self._folder.shown_as(self.folder / "snapshots" / f"{snapshot}.json")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        self._folder.refuse_link()
        found = read_json(path, _BACKUP, shown=self._folder.shown_as(path))
        if not isinstance(found, dict):
            raise SerError(f"{self._folder.shown_as(path)} does not say what it should.\n{_BACKUP}")
        return found

    def _whole(self, part: Path) -> Path:
        try:
            digest = file_digest(part)
        except OSError as error:
            raise self._damage(part, f"cannot be read: {error.strerror}") from error
        if part.stem.rpartition("-")[2] != digest[:_DIGITS]:
            raise self._damage(part, "is no longer what landed: its bytes have changed")
        return part

    def _damage(self, part: Path, what: str) -> SerError:
        return SerError(
            f"dataset {self.dataset!r}: the landed part {part.name} {what}. Nothing was changed.\n"
            f"Put {self._folder.shown_as(part)} back from a backup."
        )


def _of_one_size(sizes: Mapping[str, int]) -> list[str]:
    """The smallest parts that are of one size, if they are enough to be merged; larger ones are left as they are."""
    tiers: dict[int, list[str]] = {}
    for name, size in sizes.items():
        if size < _LARGE:
            tier = 0
            while size > _SMALL * _MERGED**tier:
                tier += 1
            tiers.setdefault(tier, []).append(name)
    return next((tiers[tier] for tier in sorted(tiers) if len(tiers[tier]) >= _MERGED), [])


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that readers see the old file or the new one, also after a power cut."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")
