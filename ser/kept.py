"""What a stage keeps in its folder for a later process, should this one be killed.

A stage never removes what it keeps: only whoever stores its summary knows when nobody needs it any more, and clears
all names of the form `.….tmp` then.
"""

import json
import os
import zlib
from itertools import takewhile
from pathlib import Path
from typing import Any


def keep_as(folder: Path, name: str) -> Path:
    """The file in `folder` under which a stage keeps `name`."""
    return folder / f".{name}.tmp"


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a written file its name, once it is on the disk."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text so that a later process finds all of it or what was there before."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    put_in_place(temporary, path)


class Journal:
    """The results of finished batches, a line of JSON each, in the order of the batch plan.

    A later process finds those that were written whole, and goes on after them. Numbers come back as they were.
    """

    def __init__(self, path: Path):
        lines = _whole_lines(path)
        self._path, self._end = path, sum(map(len, lines))
        self.found: list[Any] = [json.loads(line[9:]) for line in lines]
        """What an earlier process kept."""

    def add(self, value: Any) -> None:
        """Keep the result of the batch after those that are there."""
        text = json.dumps(value).encode()
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.truncate(self._end)
            file.seek(self._end)
            self._end += file.write(_line(text))


def _whole_lines(path: Path) -> list[bytes]:
    """The lines up to the first that was cut off, or that a power cut left empty."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return list(takewhile(lambda line: line == _line(line[9:-1]), lines))


def _line(text: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(text), text)
