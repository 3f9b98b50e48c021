"""What every table, view and column of the audit database means, as comments in the file itself."""

import tomllib
from pathlib import Path
from typing import Any

import duckdb

_NAMES = """
SELECT table_name, 'TABLE' AS kind FROM duckdb_tables() WHERE NOT internal
UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views() WHERE NOT internal
"""
_COLUMNS = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"


def explain(connection: duckdb.DuckDBPyConnection) -> None:
    """Comment on everything that the database has.

    Raises:
        AssertionError: the dictionary does not say what one of them is.
    """
    said = dictionary()
    for name, kind in connection.execute(_NAMES).fetchall():
        _comment(connection, f'{kind} "{name}"', said["tables"].get(name))
    for table, column in connection.execute(_COLUMNS).fetchall():
        _comment(connection, f'COLUMN "{table}"."{column}"', _meaning(said, table, column))


def dictionary() -> dict[str, dict[str, Any]]:
    """`tables`: what a row of each is; `columns`: what a name means everywhere; `columns_of`: where it differs."""
    return tomllib.loads((Path(__file__).parent / "dictionary.toml").read_text())


def _meaning(said: dict[str, dict[str, Any]], table: str, column: str) -> str | None:
    known = said["columns"] | said["columns_of"].get(table, {})
    if column in known:
        return str(known[column])
    name, _, end = column.rpartition("_")
    end_words = {
        "low": "Lower end of the interval of",
        "high": "Upper end of the interval of",
        "n": "Number of pairs of",
    }
    return f"{end_words[end]} {name}." if name and end in end_words else None


def _comment(connection: duckdb.DuckDBPyConnection, what: str, text: str | None) -> None:
    if text is None:
        raise AssertionError(f"dictionary.toml says nothing of {what}")
    quoted = text.replace("'", "''")
    connection.execute(f"COMMENT ON {what} IS '{quoted}'")
