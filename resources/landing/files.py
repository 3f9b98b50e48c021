"""The door to landed files: from a file, as people publish and export it, to a stream of raw rows."""

import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pyarrow as pa

from resources.landing.opened import NamedFile, OpenedFile
from resources.landing.reading.columns import column_rows
from resources.landing.reading.compressed import Source
from resources.landing.reading.csv_rows import chosen_rows, table_rows
from resources.landing.reading.json_rows import json_rows
from resources.landing.reading.kinds import (
    FORMATS,
    PARQUET_MARK,
    Kind,
    accepted,
    certain_kind,
    kind_of_name,
    method_of,
    refuse,
)
from resources.landing.reading.rows import RawRow, Tell, UnreadableError, unreadable
from resources.landing.reading.saved_datasets import files_of
from resources.landing.reading.text import open_text

__all__ = [
    "FORMATS",
    "RawRow",
    "UnreadableError",
    "accepted",
    "files_of",
    "ignore",
    "read_columns",
    "read_opened",
    "read_rows",
]

_TableReader = Callable[[Source, Tell], Iterator[RawRow]]


def ignore(_assumption: str) -> None:
    """Hear what is assumed of a file, and do nothing about it."""


def read_rows(path: Path, tell: Tell = ignore) -> Iterator[RawRow]:
    """The rows of the file at `path`; see `read_opened`."""
    with NamedFile(path).open() as file:
        yield from read_opened(file, tell)


def read_opened(file: OpenedFile, tell: Tell = ignore) -> Iterator[RawRow]:
    """The rows of a file of any accepted format, in its order: one bad row costs itself, never the rest of the file.

    Args:
        tell: hears in a few words what was assumed of the file.

    Raises:
        UnreadableError: not a readable file of its format. Rows may have been yielded before.
        OSError: the disk failed.
    """
    usual = "\t" if ".tsv" in file.name.lower() else ","

    def table(source: Source, tell: Tell) -> Iterator[RawRow]:
        with open_text(source, "", tell, spreadsheet=True) as text:
            yield from table_rows(text, tell, usual)

    return _read(file, tell, table)


def read_columns(file: OpenedFile, names: Collection[str], needed: Collection[str]) -> Iterator[RawRow]:
    """The same for a reader of these columns alone: in a table of text the others may be broken in any way.

    Args:
        needed: those of the columns without which a table is refused.

    Raises:
        UnreadableError: not a readable file of its format.
    """

    def table(source: Source, tell: Tell) -> Iterator[RawRow]:
        with open_text(source, "", tell, spreadsheet=True) as text:
            yield from chosen_rows(text, names, needed, tell)

    return _read(file, ignore, table)


def _read(file: OpenedFile, tell: Tell, table: _TableReader) -> Iterator[RawRow]:
    try:
        if not accepted(file.name):
            refuse(Source(file).head())
        kind, method = kind_of_name(file.name)
        if file.size == 0:
            return
        source, kind = _recognise(file, kind, method, tell)
        if kind is Kind.JSON:
            yield from json_rows(source, tell)
        elif kind is Kind.TABLE:
            yield from table(source, tell)
        else:
            with source.open_seekable() as stream:
                yield from column_rows(stream, kind is Kind.PARQUET, file.size, tell)
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, which may pass, and not the file's
        raise UnreadableError(unreadable(error)) from error


def _recognise(file: OpenedFile, kind: Kind, promised: str | None, tell: Tell) -> tuple[Source, Kind]:
    """How to read a file: as its first bytes say where they leave no doubt, else as its name says.

    Raises:
        UnreadableError: certainly no rows, or not what its name promises.
    """
    head = Source(file).head()
    method = method_of(head)
    source = Source(file, method)
    if method is not None:
        head = source.head()
        if method != promised:
            tell(f"compressed with {method}, in spite of its name")
        if method_of(head) is not None:
            raise UnreadableError("compressed twice: decompress it once")
    refuse(head)
    certain = certain_kind(head)
    if certain is not None and certain is not kind:
        tell(f"a {certain} file, in spite of its name")
    elif certain is None and kind is Kind.PARQUET and not head.startswith(PARQUET_MARK):
        raise UnreadableError("not a parquet file, although its name says so")
    elif method is None and promised is not None and certain is None:
        raise UnreadableError(f"not compressed with {promised}, although its name says so")
    return source, certain or kind
