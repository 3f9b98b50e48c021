"""DuckDB over parquet files, with a bound on its memory: how a landing works on more rows than memory holds."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

MEMORY = "512MB"
"""What DuckDB may hold in memory; beyond it, it writes into its spill folder."""


def open_database(spill: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into the folder `spill`."""
    return duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill)})


def add_view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make parquet files, which are read as they are needed, a view; no files make an empty one."""
    if files:
        con.read_parquet([_literal(path) for path in files]).create_view(name)
    else:
        con.register(name, schema.empty_table())


def _literal(path: Path) -> str:
    """A path in which no character stands for others."""
    return "".join(f"[{character}]" if character in "[*?" else character for character in str(path))
