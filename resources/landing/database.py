"""Parquet parts as views of a database: how a landing works on more rows than memory holds."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ser.database import open_database, pattern

__all__ = ["add_latest_roles", "add_view", "open_database", "record_batches"]

_BATCH = 1024


def add_view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make parquet files, which are read as they are needed, a view; no files make an empty one."""
    if files:
        con.read_parquet([pattern(path) for path in files]).create_view(name)
    else:
        con.register(name, schema.empty_table())


def add_latest_roles(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make parts of role changes a view of the last change of each pair.

    Args:
        files: in the order in which they landed.
    """
    if not files:
        add_view(con, name, files, schema)
        return
    con.read_parquet([pattern(path) for path in files], filename=True).create_view(f"every_{name}")
    # The order tells which is the last, and not the times: a clock may be set back.
    con.register(f"order_{name}", pa.table({"part": [path.name for path in files], "number": range(len(files))}))
    con.execute(f"""CREATE TEMP VIEW {name} AS
        SELECT pair_id, arg_max(role, number) AS role, arg_max(landed_at, number) AS landed_at
        FROM every_{name} JOIN order_{name} ON part = parse_filename(filename) GROUP BY pair_id""")


def record_batches(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as batches of the columns of `schema`."""
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield pa.RecordBatch.from_pylist(batch, schema=schema)
