"""What every reader yields: rows as they stand in a file."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any

MAX_LINE = 8 * 2**20
"""Characters of a line, a JSON object or a row of a table beyond which nothing more is read into memory."""

HEAD = 2**16
"""How much of a file is looked at to find out what it is, and kept of a bad row that is longer."""

NOT_UTF8 = "undecodable text: not UTF-8"

Tell = Callable[[str], None]
"""Hears in a few words what was assumed of a file."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a text was before it was cut off: its size and its digest."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file: its fields, or the reason why it has none.

    `line` counts from 1: lines, or rows where a file has no lines of its own (JSON arrays, parquet, arrow).
    `raw_base64` holds the exact bytes when `raw` cannot show them. `whole` is there when `raw` is only the beginning.
    """

    line: int
    raw: str
    fields: dict[str, Any] | None
    reason: str | None = None
    raw_base64: str | None = None
    whole: Whole | None = None

    @property
    def weight(self) -> int:
        """About how many bytes the row takes: its characters, and as values of Python what stands between commas."""
        return len(self.raw) + 100 * self.raw.count(",")

    def shortened(self) -> "RawRow":
        """The row with no more of its text than is kept."""
        if len(self.raw) <= HEAD or self.whole:
            return self
        if self.raw_base64 is None:
            return replace(self, raw=self.raw[:HEAD], whole=whole_of(self.raw.encode()))
        exact = base64.b64decode(self.raw_base64)
        head = exact[:HEAD]
        shown = head.decode("utf-8", "backslashreplace")
        return replace(self, raw=shown, raw_base64=base64.b64encode(head).decode(), whole=whole_of(exact))


def whole_of(data: bytes) -> Whole:
    """What stands for bytes that are not kept."""
    return Whole(len(data), hashlib.sha256(data).hexdigest())


class UnreadableError(Exception):
    """A file that cannot be read as a whole; the message is the reason."""


def unreadable(error: Exception) -> str:
    """Why a file cannot be read, in the words of what failed."""
    return f"cannot be read: {str(error).splitlines()[0] if str(error) else error!r}"


def text_row(line: int, raw: str, fields: dict[str, Any] | None, reason: str | None = None) -> RawRow:
    """A row of a text in which bytes that could not be decoded are lone surrogates."""
    if is_text(raw):
        row = RawRow(line, raw, None if reason else fields, reason)
    else:
        exact = raw.encode("utf-8", "surrogateescape")
        shown = exact.decode("utf-8", "backslashreplace")
        row = RawRow(line, shown, None, NOT_UTF8, base64.b64encode(exact).decode())
    return row if row.fields is not None else row.shortened()


def cut_row(line: int, head: str, whole: Whole, reason: str) -> RawRow:
    """The row of what is too long to be read, of which the beginning is kept."""
    row = text_row(line, head[:HEAD], None, reason)
    return replace(row, reason=reason, whole=whole)


def pass_line(text: IO[str], line: str, ends: str | tuple[str, ...]) -> Whole:
    """Pass over the rest of a line that was cut off: what all of it was."""
    size, digest = 0, hashlib.sha256()
    while True:
        data = line.encode("utf-8", "surrogateescape")
        size += len(data)
        digest.update(data)
        if line.endswith(ends) or not (line := text.readline(MAX_LINE)):
            return Whole(size, digest.hexdigest())


def is_text(text: str) -> bool:
    """Whether all of a text could be decoded."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
