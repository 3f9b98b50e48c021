"""Which files have landed: a log of a line a file, so that a landing costs the same however many there were before."""

import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.disk import fsync, open_file, write_text

Mark = tuple[Any, ...]
"""The fingerprint of a file."""

_ROOM = 100
"""Lines that may always be out of date."""


@dataclass(frozen=True)
class Note:
    """A file's content has landed, or cannot.

    Attributes:
        mark: the fingerprint of the file, which begins with its name.
        digest: of its content.
        unread: why nothing of it could land.
    """

    mark: Mark
    digest: str
    unread: str | None = None


class Known:
    """What a log says: of each name the last file, and of each content what became of it."""

    def __init__(self, notes: Iterable[Note] = ()):
        self.by_name: dict[str, Note] = {}
        self.by_digest: dict[str, Note] = {}
        self.read = 0
        for self.read, note in enumerate(notes, start=1):
            self.by_name[note.mark[0]] = self.by_digest[note.digest] = note

    def saw(self, mark: Mark) -> bool:
        """Whether a file with this fingerprint was there."""
        note = self.by_name.get(mark[0])
        return note is not None and note.mark == mark

    def unread(self, mark: Mark) -> str | None:
        """Why nothing of the file with this fingerprint could land."""
        return self.by_digest[self.by_name[mark[0]].digest].unread if self.saw(mark) else None

    def says(self, note: Note) -> bool:
        """Whether a note would say nothing new."""
        return self.by_name.get(note.mark[0]) == note and self.by_digest[note.digest].unread == note.unread

    def current(self) -> list[Note]:
        """The notes without those that are out of date."""
        return list({id(note): note for note in (*self.by_digest.values(), *self.by_name.values())}.values())


class Notes:
    """The log in the file `path`. A line that is damaged says nothing: its file is read once more, and noted again."""

    def __init__(self, path: Path):
        self._path = path

    def read(self) -> Known:
        """What has been noted so far."""
        return Known(_notes(self._path))

    def add(self, notes: Iterable[Note]) -> None:
        """Note what became of files, durably. Only under the lock of the store."""
        known = self.read()
        new = [note for note in notes if not known.says(note)]
        if not new:
            return
        if known.read + len(new) > 2 * len(known.current()) + _ROOM:
            everything = Known([*known.current(), *new])
            write_text(self._path, "".join(map(_line, everything.current())))
            return
        is_new = not self._path.exists()
        with self._path.open("a+b") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            cut_off = file.read() not in (b"", b"\n")  # a killed process was writing the last line
            file.write(b"\n" * cut_off + "".join(map(_line, new)).encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            fsync(self._path.parent)


def _line(note: Note) -> str:
    said = {"digest": note.digest, "mark": note.mark, "unread": note.unread}
    return json.dumps(said) + "\n"  # with escapes: a file's name may be bytes that are no text


def _notes(path: Path) -> Iterator[Note]:
    try:
        with io.TextIOWrapper(open_file(path), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if (note := _note(line)) is not None:
                    yield note
    except FileNotFoundError:
        return


def _note(line: str) -> Note | None:
    try:
        said = json.loads(line)
        name, *times = said["mark"]
        return Note((str(name), *times), str(said["digest"]), said["unread"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
