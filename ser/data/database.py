"""DuckDB over parquet files, with a bound on its memory: sorting and joining more rows than memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY = "256MB"
"""What DuckDB may hold in memory; beyond it, it writes into its spill folder."""


def open_database(spill: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into the folder `spill`."""
    import duckdb  # whoever only reads and writes tables, as models do, needs none

    return duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill)})


def pattern(path: Path) -> str:
    """A path as DuckDB reads file names, in which no character stands for others."""
    return "".join(f"[{character}]" if character in "[*?" else character for character in str(path))
