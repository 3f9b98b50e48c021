"""Parquet parts as views of a database: how a landing works on more rows than memory holds."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from ser.data.database import open_database, pattern

__all__ = ["add_view", "open_database"]


def add_view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make parquet files, which are read as they are needed, a view; no files make an empty one."""
    if files:
        con.read_parquet([pattern(path) for path in files]).create_view(name)
    else:
        con.register(name, schema.empty_table())
