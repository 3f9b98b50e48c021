"""Parquet parts as views of a database: how a landing works on more rows than memory holds."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ser.data.database import open_database, pattern

__all__ = ["add_view", "open_database", "record_batches"]

_BATCH = 1024


def add_view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make parquet files, which are read as they are needed, a view; no files make an empty one."""
    if files:
        con.read_parquet([pattern(path) for path in files]).create_view(name)
    else:
        con.register(name, schema.empty_table())


def record_batches(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as batches of the columns of `schema`."""
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield pa.RecordBatch.from_pylist(batch, schema=schema)
