"""Rows of parquet and arrow files, as plain values of Python."""

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.reading import rows
from resources.landing.reading.limits import MAX_VALUES, check_blank, check_columns
from resources.landing.reading.rows import RawRow, Tell, UnreadableError, cut_row, text_row, whole_of

_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
_NO_VALUE = (pa.ArrowException, ValueError, ArithmeticError, LookupError, TypeError)
"""What pyarrow raises of a value that it cannot turn into one of Python."""

_PIECE, _PIECE_ROWS = 4 * 2**20, 1024
"""Bytes of columns, and rows, that become values of Python at a time, which take many times as much."""
_INDEX = "__index_level_"
"""How pandas begins the name of the column that holds an index without a name."""

_FILE_MARK = b"ARROW1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


def parquet_rows(file: IO[bytes], at_once: int) -> Iterator[RawRow]:
    """The rows of a parquet file, of which `at_once` are decoded at a time.

    Raises:
        UnreadableError: it is damaged, or two columns have the same name.
    """
    with pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20) as table:
        _check_names(table.schema_arrow)
        number = 0
        for row in _rows(table.iter_batches(batch_size=at_once, use_threads=False)):
            number = row.line
            yield row
        groups = range(table.metadata.num_row_groups)
        announced = sum(table.metadata.row_group(group).num_rows for group in groups)
        if number != announced:  # pyarrow passes over a damaged page in silence
            raise UnreadableError(
                f"damaged: of the rows that it announces not all can be read: {number} of {announced}"
            )


def arrow_rows(file: IO[bytes], tell: Tell) -> Iterator[RawRow]:
    """The rows of an arrow file, written as a file or as a stream (as `datasets` does).

    Raises:
        UnreadableError: it is damaged, or two columns have the same name.
    """
    yield from _rows(_arrow_batches(file, tell))


def _arrow_batches(file: IO[bytes], tell: Tell) -> Iterator[pa.RecordBatch]:
    mark = file.read(len(_FILE_MARK))
    file.seek(0)
    if mark == _FILE_MARK:
        with pa.ipc.open_file(file) as table:
            _check_names(table.schema)
            for number in range(table.num_record_batches):
                yield _checked(table.get_batch(number))
        return
    with pa.ipc.open_stream(file) as stream:
        _check_names(stream.schema)
        yield from map(_checked, stream)
    file.seek(-len(_STREAM_END), 2)
    if file.read() != _STREAM_END:
        tell("without an end mark: the file may be cut off")


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose offsets lead nowhere outside of it; what a file says of them is not trusted."""
    columns = [column.view(_BYTES[column.type]) if column.type in _BYTES else column for column in batch.columns]
    for column in columns:
        column.validate(full=True)
    return batch


def _check_names(schema: pa.Schema) -> None:
    check_columns(schema.names)
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise UnreadableError(f"two columns have the same name: {twice[0]}")


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[RawRow]:
    number = blank = 0
    for batch in batches:
        batch = batch.select([name for name in batch.schema.names if not name.startswith(_INDEX)])
        for piece in _pieces(batch):
            for fields, problem in _records(piece):
                number += 1
                blank += 1
                if problem or any(value is not None for value in fields.values()):
                    blank = 0
                check_blank(blank, "rows without any content")
                yield _row(number, fields, problem)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces of few bytes, or of one row."""
    if batch.num_rows <= 1 or (batch.nbytes <= _PIECE and batch.num_rows <= _PIECE_ROWS):
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))


def _row(number: int, fields: dict[str, Any], problem: str | None) -> RawRow:
    raw = json.dumps(fields, ensure_ascii=False, default=str)
    if len(raw) <= rows.MAX_LINE and raw.count(",") <= MAX_VALUES:
        return text_row(number, raw, fields, problem)
    reason = f"a row of over {rows.MAX_LINE} characters, or {MAX_VALUES:,} values; its beginning is kept"
    return cut_row(number, raw, whole_of(raw.encode("utf-8", "surrogateescape")), reason)


def _records(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The rows of a batch, with bytes that are no UTF-8 as lone surrogates, and why one cannot be read."""
    names = batch.schema.names
    try:
        found: Iterable[tuple[list[Any], str | None]] = [
            (list(record.values()), None) for record in batch.to_pylist(maps_as_pydicts="strict")
        ]
    except (*_NO_VALUE, MemoryError):
        columns = [column.cast(_BYTES[column.type]) if column.type in _BYTES else column for column in batch.columns]
        found = (_values(names, columns, row) for row in range(batch.num_rows))
    for values, problem in found:
        yield dict(zip(names, map(_plain, values), strict=True)), problem


def _values(names: list[str], columns: list[pa.Array], row: int) -> tuple[list[Any], str | None]:
    """One row's values, without those that Python has no way to say: a date in the year 20,000, for instance."""
    values: list[Any] = []
    problem = None
    for name, column in zip(names, columns, strict=True):
        try:
            values.append(column[row].as_py(maps_as_pydicts="strict"))
        except MemoryError:
            values.append(None)
            problem = f"column {name!a} is larger than the memory"
        except _NO_VALUE as error:
            values.append(None)
            problem = problem or f"column {name!a} cannot be read: {error}"
    return values, problem


def _plain(value: Any) -> Any:
    """A value in which bytes are text and keys are text, however deep."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _key(key: Any) -> str:
    key = _plain(key)
    return key if isinstance(key, str) else str(key)
