"""Reading landed files as streams of raw rows: one bad line costs one row, never the rest of the file."""

import base64
import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

FORMATS = (".jsonl", ".jsonl.gz", ".csv", ".parquet")
MAX_LINE = 64 * 2**20
"""Bytes of a line, and characters of a CSV field, beyond which nothing more is read into memory."""

_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
_NO_VALUE = (pa.ArrowException, ValueError, ArithmeticError, LookupError, TypeError)
"""What pyarrow raises of a value that it cannot turn into one of Python."""

_BATCH = 1024
_HEAD = 2**16


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file (`line` counts from 1): its fields, or the reason why it has none.

    `raw_base64` holds the exact bytes when `raw` cannot show them.
    """

    line: int
    raw: str
    fields: dict[str, Any] | None
    reason: str | None = None
    raw_base64: str | None = None


class UnreadableError(Exception):
    """A file that cannot be read as a whole; the message is the reason."""


def read_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a file of any accepted format, in its order.

    Raises:
        UnreadableError: not a readable file of its format. Rows may have been yielded before.
    """
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            return
        if name.endswith(".parquet"):
            yield from _parquet(path)
        elif name.endswith(".jsonl.gz"):
            with gzip.open(path) as stream:
                yield from _jsonl(stream)
        elif name.endswith(".jsonl"):
            with path.open("rb") as stream:
                yield from _jsonl(stream)
        elif name.endswith(".csv"):
            with path.open("rb", buffering=_HEAD) as stream:
                yield from _csv(stream)
        else:
            raise UnreadableError(f"unknown kind of file; accepted are {', '.join(FORMATS)}")
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UnreadableError(f"cannot be read: {str(error).splitlines()[0] if str(error) else error!r}") from error


def _jsonl(stream: IO[bytes] | gzip.GzipFile) -> Iterator[RawRow]:
    """One JSON object a line; blank lines are not rows."""
    lines = _lines(stream)
    first = next(lines, b"")
    head = [first.removeprefix(b"\xef\xbb\xbf")]
    if _binary(first):  # only if no line near the beginning looks like a row is the whole file not text
        size = 0
        while size < _HEAD and (line := next(lines, b"")):
            head.append(line)
            size += len(line)
        if not any(line.lstrip().startswith(b"{") for line in head):
            raise UnreadableError("not a text file of JSON lines in UTF-8")
    for number, line in enumerate(chain(head, lines), start=1):
        if line.strip():
            yield _json_row(number, line)


def _lines(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Lines, each cut off at MAX_LINE bytes (the rest of such a line is passed over)."""
    while line := stream.readline(MAX_LINE):
        yield line
        while len(line) >= MAX_LINE and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)


def _json_row(number: int, line: bytes) -> RawRow:
    raw, exact = _shown(line.rstrip(b"\r\n"))
    if len(line) >= MAX_LINE:
        return RawRow(number, raw[:_HEAD], None, f"a line of over {MAX_LINE} bytes; its beginning is kept")
    if exact is not None:
        return RawRow(number, raw, None, "undecodable text: not UTF-8", exact)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return RawRow(number, raw, None, f"malformed JSON: {error}")
    if not isinstance(value, dict):
        return RawRow(number, raw, None, "not a JSON object")
    return RawRow(number, raw, value)


class _PhysicalLines:
    """Lines of a CSV; those of the row in hand are remembered, so that an open quote costs one line only."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []
        self.line = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._stream.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def start_row(self) -> None:
        """Forget the lines of the row before."""
        self.line += len(self.taken)
        self.taken.clear()

    def keep_first(self) -> None:
        """Give all lines of a broken row but the first back, to be read as rows of their own."""
        self._ahead.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _csv(stream: IO[bytes]) -> Iterator[RawRow]:
    """Comma-separated rows under a header; an empty field is a missing one."""
    csv.field_size_limit(MAX_LINE)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = _PhysicalLines(text)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise UnreadableError(f"no readable header: {error}") from error
    if _binary("".join(lines.taken).encode("utf-8", "surrogateescape")):
        raise UnreadableError("not a text file in UTF-8")
    if len(set(header)) < len(header):
        raise UnreadableError("two columns have the same name")
    while True:
        lines.start_row()
        try:
            values = next(reader, None)
        except csv.Error as error:
            lines.keep_first()
            yield _csv_row(lines, None, f"malformed CSV: {error}")
            continue
        if values is None:
            return
        if len(values) == len(header):
            yield _csv_row(lines, dict(zip(header, (value or None for value in values), strict=True)))
        elif values:
            yield _csv_row(lines, None, f"has {len(values)} columns, the header {len(header)}")


def _csv_row(lines: _PhysicalLines, fields: dict[str, Any] | None, reason: str | None = None) -> RawRow:
    data = "".join(lines.taken).rstrip("\r\n").encode("utf-8", "surrogateescape")
    raw, exact = _shown(data)
    if exact is not None:
        return RawRow(lines.line, raw, None, "undecodable text: not UTF-8", exact)
    return RawRow(lines.line, raw, fields, reason)


def _parquet(path: Path) -> Iterator[RawRow]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise UnreadableError("two columns have the same name")
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH):
            for fields, problem in _records(batch):
                number += 1
                raw = json.dumps(fields, ensure_ascii=False, default=str)
                shown, exact = _shown(raw.encode("utf-8", "surrogateescape"))
                reason = "undecodable text: not UTF-8" if exact is not None else problem
                yield RawRow(number, shown, None if reason else fields, reason, exact)
        groups = range(file.metadata.num_row_groups)
        announced = sum(file.metadata.row_group(group).num_rows for group in groups)
        if number != announced:  # pyarrow passes over a damaged page in silence
            raise UnreadableError(f"damaged: {number} of the {announced} rows that it announces can be read")


def _records(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The rows of a batch, with bytes that are no UTF-8 as lone surrogates, and why one cannot be read."""
    names = batch.schema.names
    try:
        rows: list[tuple[list[Any], str | None]] = [(list(record.values()), None) for record in batch.to_pylist()]
    except _NO_VALUE:
        columns = [column.cast(_BYTES[column.type]) if column.type in _BYTES else column for column in batch.columns]
        rows = [_values(names, columns, row) for row in range(batch.num_rows)]
    for values, problem in rows:
        texts = (value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in values)
        yield dict(zip(names, texts, strict=True)), problem


def _values(names: list[str], columns: list[pa.Array], row: int) -> tuple[list[Any], str | None]:
    """One row's values, without those that Python has no way to say: a date in the year 20,000, for instance."""
    values: list[Any] = []
    problem = None
    for name, column in zip(names, columns, strict=True):
        try:
            values.append(column[row].as_py())
        except _NO_VALUE as error:
            values.append(None)
            problem = problem or f"column {name!a} cannot be read: {error}"
    return values, problem


def _binary(first_line: bytes) -> bool:
    """Whether the first line of a file is no text."""
    return b"\0" in first_line or _shown(first_line)[1] is not None


def _shown(data: bytes) -> tuple[str, str | None]:
    """`data` as text, and its exact bytes in base64 if it is not UTF-8."""
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace"), base64.b64encode(data).decode()
