"""Rows of parquet and arrow files, as plain values of Python."""

import json
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.reading.rows import RawRow, Tell, UnreadableError, text_row

_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
_NO_VALUE = (pa.ArrowException, ValueError, ArithmeticError, LookupError, TypeError)
"""What pyarrow raises of a value that it cannot turn into one of Python."""

_BATCH = 1024
_INDEX = "__index_level_"
"""How pandas begins the name of the column that holds an index without a name."""

_FILE_MARK = b"ARROW1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


def parquet_rows(file: IO[bytes]) -> Iterator[RawRow]:
    """The rows of a parquet file.

    Raises:
        UnreadableError: it is damaged, or two columns have the same name.
    """
    with pq.ParquetFile(file, pre_buffer=False) as table:
        _check_names(table.schema_arrow)
        number = 0
        for batch in table.iter_batches(batch_size=_BATCH):
            for row in _batch_rows(batch, number):
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
    number = 0
    for batch in _arrow_batches(file, tell):
        for start in range(0, batch.num_rows, _BATCH):
            yield from _batch_rows(batch.slice(start, _BATCH), number)
            number += min(_BATCH, batch.num_rows - start)


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
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise UnreadableError(f"two columns have the same name: {twice[0]}")


def _batch_rows(batch: pa.RecordBatch, before: int) -> Iterator[RawRow]:
    batch = batch.select([name for name in batch.schema.names if not name.startswith(_INDEX)])
    for number, (fields, problem) in enumerate(_records(batch), start=before + 1):
        yield text_row(number, json.dumps(fields, ensure_ascii=False, default=str), fields, problem)


def _records(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The rows of a batch, with bytes that are no UTF-8 as lone surrogates, and why one cannot be read."""
    names = batch.schema.names
    try:
        rows: list[tuple[list[Any], str | None]] = [
            (list(record.values()), None) for record in batch.to_pylist(maps_as_pydicts="strict")
        ]
    except _NO_VALUE:
        columns = [column.cast(_BYTES[column.type]) if column.type in _BYTES else column for column in batch.columns]
        rows = [_values(names, columns, row) for row in range(batch.num_rows)]
    for values, problem in rows:
        yield dict(zip(names, map(_plain, values), strict=True)), problem


def _values(names: list[str], columns: list[pa.Array], row: int) -> tuple[list[Any], str | None]:
    """One row's values, without those that Python has no way to say: a date in the year 20,000, for instance."""
    values: list[Any] = []
    problem = None
    for name, column in zip(names, columns, strict=True):
        try:
            values.append(column[row].as_py(maps_as_pydicts="strict"))
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
