"""What every reader yields: rows as they stand in a file."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_LINE = 64 * 2**20
"""Characters of a line, a JSON object or a CSV field beyond which nothing more is read into memory."""

HEAD = 2**16
"""How much of a file is looked at to find out what it is, and kept of what is too long."""

NOT_UTF8 = "undecodable text: not UTF-8"

Tell = Callable[[str], None]
"""Hears in a few words what was assumed of a file."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file: its fields, or the reason why it has none.

    `line` counts from 1: lines, or rows where a file has no lines of its own (JSON arrays, parquet, arrow).
    `raw_base64` holds the exact bytes when `raw` cannot show them.
    """

    line: int
    raw: str
    fields: dict[str, Any] | None
    reason: str | None = None
    raw_base64: str | None = None


class UnreadableError(Exception):
    """A file that cannot be read as a whole; the message is the reason."""


def text_row(line: int, raw: str, fields: dict[str, Any] | None, reason: str | None = None) -> RawRow:
    """A row of a text in which bytes that could not be decoded are lone surrogates."""
    if is_text(raw):
        return RawRow(line, raw, None if reason else fields, reason)
    exact = raw.encode("utf-8", "surrogateescape")
    shown = exact.decode("utf-8", "backslashreplace")
    return RawRow(line, shown, None, NOT_UTF8, base64.b64encode(exact).decode())


def is_text(text: str) -> bool:
    """Whether all of a text could be decoded."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
