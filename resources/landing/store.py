"""Where landed pairs are kept: append-only, content-addressed parquet parts, and snapshots that name them."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.disk import clear, file_digest, read_json, replace, write_text
from resources.landing.folders import dataset_folder
from resources.landing.parts import PARTS, write_parquet
from resources.locks import only_writer_of_file
from ser.errors import SerError

_DIGITS = 32
"""How much of its digest a part's name holds."""
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
        self.folder = dataset_folder(root, dataset) / ".landed"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the dataset for one landing; the lock dies with the process."""
        with only_writer_of_file(self.folder / "lock"):
            yield

    def current(self) -> str | None:
        """The name of the current snapshot.

        Raises:
            SerError: there are snapshots, but what says which of them is current is lost.
        """
        path = self.folder / "current"
        landed = bool(self.snapshots())  # looked for first: a landing writes `current` before its first snapshot
        name = path.read_text().strip() if path.exists() else ""
        if landed and not name:
            raise SerError(
                f"dataset {self.dataset!r}: {path} is missing or empty. Nothing was changed.\n"
                "Put it back from a backup, or write the name of the newest snapshot into it."
            )
        return name if name not in ("", _NONE_YET) else None

    def has(self, snapshot: str) -> bool:
        """Whether `snapshot` is one of this dataset's."""
        return (self.folder / "snapshots" / f"{snapshot}.json").exists()

    def snapshots(self) -> set[str]:
        """The names of all snapshots that there have been."""
        return {path.stem for path in (self.folder / "snapshots").glob("*.json")}

    def contents(self, snapshot: str | None) -> dict[str, Any]:
        """What a snapshot file says: `parts` (kind to file names), counts, and its `number`; of no snapshot: nothing.

        Raises:
            SerError: the file is damaged or gone.
        """
        if snapshot is None:
            return {"parts": {kind: [] for kind in PARTS}, "number": 0, "pairs": 0, "labelled": 0}
        contents = read_json(self.folder / "snapshots" / f"{snapshot}.json", _BACKUP)
        if contents["parts"].keys() != PARTS.keys() or "number" not in contents:
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
        return files[::-1]

    def files(self, kind: str, parts: Mapping[str, Sequence[str]]) -> list[Path]:
        """The parquet files of all parts of one kind, whose bytes are what their names say.

        Raises:
            SerError: a part has changed, or is gone.
        """
        return [self._whole(self.folder / "parts" / name) for name in parts[kind]]

    def add_part(self, kind: str, batches: Iterable[pa.RecordBatch]) -> list[str]:
        """Write rows as a part named by its content; no rows make no part."""
        folder = self.folder / "parts"
        folder.mkdir(exist_ok=True)
        temporary = folder / f".{kind}.tmp"
        if not write_parquet(temporary, PARTS[kind], batches):
            temporary.unlink()
            return []
        name = f"{kind}-{file_digest(temporary)[:_DIGITS]}.parquet"
        replace(temporary, folder / name)
        return [name]

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
        return read_json(path, _BACKUP) if path.exists() or self.current() else {}

    def sweep(self) -> None:
        """Remove what a killed landing left half-written. Only under the lock.

        Parts of no snapshot stay: what names them may have been lost, and be put back.
        """
        clear(self.folder)

    def parts(self) -> set[str]:
        """The names of all part files, whether or not a snapshot names them."""
        return {path.name for path in (self.folder / "parts").glob("*.parquet")}

    def take_back(self, before: set[str]) -> None:
        """Remove the parts that were not there `before` a landing that failed. Only under the lock."""
        for name in self.parts() - before:
            (self.folder / "parts" / name).unlink()

    def abandon(self) -> None:
        """Remove the folder of a dataset in which nothing has landed; one with a part stays. Only under the lock."""
        if self.parts():
            return
        shutil.rmtree(self.folder)
        if not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()

    def remember(self, mark: list[Any], digest: str, notes: str, unread: str | None) -> None:
        """Note in the folder `notes` that the content `digest` was landed, from a file with this fingerprint.

        Args:
            unread: why nothing of it could land.
        """
        path = self.folder / notes / f"{digest}.json"
        note = _note(path)
        if mark not in note["seen"] or note["unread"] != unread:
            others = [known for known in note["seen"] if known[:3] != mark[:3]]
            write_json(path, {"digest": digest, "seen": [*others, mark], "unread": unread})

    def unread(self, files: Iterable[Path], notes: str) -> dict[str, str]:
        """Those of `files` of which nothing could land, by name, and why."""
        known = map(_note, (self.folder / notes).glob("*.json"))
        reasons = {tuple(mark): note["unread"] for note in known if note["unread"] for mark in note["seen"]}
        marks = {file.name: tuple(fingerprint(file)) for file in files} if reasons else {}
        return {name: reasons[mark] for name, mark in marks.items() if mark in reasons}

    def unfamiliar(self, files: Iterable[Path], notes: str) -> list[Path]:
        """Those of `files` that were not there, under this name and with this content, at any landing so far."""
        seen = {tuple(mark) for note in (self.folder / notes).glob("*.json") for mark in _note(note)["seen"]}
        return [file for file in files if tuple(fingerprint(file)) not in seen]

    def not_landed(self, files: Iterable[Path], notes: str) -> tuple[list[Path], dict[Path, OSError]]:
        """Those of `files` whose content has not landed yet, and those that cannot be read, with the reason.

        Only unfamiliar ones are read to find out.
        """
        landed = {note.stem for note in (self.folder / notes).glob("*.json")}
        waiting: list[Path] = []
        unread: dict[Path, OSError] = {}
        for file in self.unfamiliar(files, notes):
            try:
                mark, digest = fingerprint(file), file_digest(file)
            except OSError as error:
                unread[file] = error
                continue
            if digest in landed:
                self.remember(mark, digest, notes, _note(self.folder / notes / f"{digest}.json")["unread"])
            else:
                waiting.append(file)
        return waiting, unread

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
            f"Put {part} back from a backup."
        )


def _note(path: Path) -> dict[str, Any]:
    """What a note says; a damaged one says nothing, and is written again when the file has been read again."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {"seen": [], "unread": None}


def fingerprint(file: Path) -> list[Any]:
    """What changes when a file's content does: name, size, the time that it says, and when it was last changed."""
    status = file.stat()
    return [file.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that readers see the old file or the new one, also after a power cut."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")
