"""What no honest file has, and what reading one may cost: beyond it a row is bad, or a file unreadable."""

import io
from collections.abc import Iterable, Iterator
from time import thread_time
from typing import Any

from resources.landing.reading.rows import RawRow, UnreadableError

MAX_COLUMNS = 2000
"""Columns of a row, or of a file that has the same for all rows."""
MAX_NAME = 4000
"""Characters of a column's name: surveys have whole questions there."""
MAX_VALUES = 250_000
"""Commas in a row: as values of Python what stands between them takes a hundred bytes each."""

MAX_BLANK = 2**21
"""Blank lines, or rows without any content, one after the other: twice as many as a spreadsheet has rows."""

EXPANSION = 500
"""How much larger than a file what is decompressed or decoded from it may be. Prose comes to 3 to 5, rows that all
repeat one long prompt to 300."""
COPIED_EXPANSION = 50
"""The same for what has to be decompressed onto the disk: parquet and arrow are dense already."""
SMALL = 128 * 2**20
"""Bytes to which a file of any size may come."""

SECONDS, SECONDS_A_MB, SECONDS_A_PAIR = 60.0, 2.0, 0.002
"""Processor time for a file: some, more for each megabyte of it, and ten times what a pair takes for each pair."""


def check_columns(names: Iterable[str]) -> None:
    """Stop at a file with more columns than people have, or longer names.

    Raises:
        UnreadableError: it has.
    """
    if fault := columns_fault(names):
        raise UnreadableError(fault)


def columns_fault(names: Iterable[str]) -> str | None:
    """What is wrong with the names of columns, if they are too many or too long."""
    names = tuple(names)
    if len(names) > MAX_COLUMNS:
        return f"over {MAX_COLUMNS:,} columns"
    if any(len(name) > MAX_NAME for name in names):
        return f"a name of a column of over {MAX_NAME:,} characters"
    return None


def check_blank(count: int, what: str) -> None:
    """Stop at too many blank lines, or the like, one after the other.

    Raises:
        UnreadableError: there are so many.
    """
    if count > MAX_BLANK:
        raise UnreadableError(f"over {MAX_BLANK:,} {what} one after the other: this is no data")


def check_expansion(expanded: int, size: int, most: int = EXPANSION) -> None:
    """Stop when what comes out of a file of `size` bytes is out of all proportion: over `most` times as much.

    Raises:
        UnreadableError: it is.
    """
    if expanded > SMALL and expanded > most * size:
        raise UnreadableError(
            f"a file of {size:,} bytes that comes to over {expanded // 2**20:,} MB: more than {most} times as much"
        )


def seconds_for(size: int, pairs: int = 0) -> float:
    """The processor time that a file of `size` bytes may take, in which so many pairs were found."""
    return SECONDS + SECONDS_A_MB * size / 2**20 + SECONDS_A_PAIR * pairs


def in_time(parsed: Iterable[tuple[RawRow, Any]], size: int) -> Iterator[tuple[RawRow, Any]]:
    """The checked rows of a file, each a pair or the reason (a text) why there is none, as long as that may take.

    Raises:
        UnreadableError: it took too long for a file of `size` bytes.
    """
    started, pairs = thread_time(), 0
    for raw, found in parsed:
        pairs += not isinstance(found, str)
        if (spent := thread_time() - started) > seconds_for(size, pairs):
            raise UnreadableError(f"takes too long to read: {pairs:,} pairs in {spent:.0f} seconds of processor time")
        yield raw, found


class Expanding(io.RawIOBase):
    """A stream that is decompressed from a file of `size` bytes, as far as that is in proportion."""

    def __init__(self, stream: Any, size: int):
        super().__init__()
        self._stream, self._size, self._expanded = stream, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes.

        Raises:
            UnreadableError: they are out of all proportion to the file.
        """
        count = int(self._stream.readinto(buffer))
        self._expanded += count
        check_expansion(self._expanded, self._size)
        return count
