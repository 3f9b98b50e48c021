"""The tables that a dataset is kept in, kind by kind, and how they are written."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ser.data.tables import ROWS

_AT_ONCE = 64
"""Rows that are read at a time: one may have some megabytes."""
_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")


def _schema(texts: str, **others: pa.DataType) -> pa.Schema:
    return pa.schema([*((name, _TEXT) for name in texts.split()), *others.items()])


PARTS: dict[str, pa.Schema] = {
    "pairs": _schema("pair_id prompt response_a response_b source metadata dialogue", landed_at=_TIME),
    "labels": _schema("pair_id preferred annotator origin metadata", landed_at=_TIME),
    "judge_labels": _schema("pair_id preferred annotator metadata", landed_at=_TIME),
    "asked_roles": _schema("pair_id role", landed_at=_TIME),
    "groups": _schema("pair_id group", landed_at=_TIME),
}
"""Kinds of parts. `dialogue`: a hash of the messages up to the first of the user; `origin`: landed or review. Of a
pair that was landed with several groups each has a row."""


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches in row groups of a fixed size, so that equal rows make equal bytes; returns the rows."""
    count, waiting = 0, schema.empty_table()
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
        for batch in batches:
            table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
            waiting = pa.concat_tables([waiting, table])
            whole = waiting.num_rows - waiting.num_rows % ROWS
            if whole:
                writer.write_table(waiting.slice(0, whole).combine_chunks(), row_group_size=ROWS)
                count, waiting = count + whole, waiting.slice(whole)
        if waiting.num_rows:
            writer.write_table(waiting.combine_chunks(), row_group_size=ROWS)
    return count + waiting.num_rows


def read_batches(parts: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of parts of one kind, one part after the other."""
    for part in parts:
        with pq.ParquetFile(part) as file:
            yield from file.iter_batches(batch_size=_AT_ONCE)
