"""What a file of the audit database is: how it is opened, and its tables and views."""

import hashlib
import re
from pathlib import Path

import duckdb

from resources.audit.sandbox import SANDBOX, confine
from ser.data.database import MEMORY
from ser.errors import SerError

_SQL = Path(__file__).parent
_MARK = "schema_version"
_SHADOWS = """
SELECT function_name FROM duckdb_functions() GROUP BY ALL HAVING bool_or(internal) AND bool_or(NOT internal)
ORDER BY ALL LIMIT 3
"""


def connect(path: Path, read_only: bool = False, sandbox: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection that shows times in UTC; in the sandbox its SQL can reach nothing but the tables."""
    connection = duckdb.connect(str(path), read_only=read_only, config=dict(SANDBOX) if sandbox else {})
    connection.execute("SET TimeZone = 'UTC'")
    if sandbox:
        confine(connection)
    return connection


def prepare_for_bulk(connection: duckdb.DuckDBPyConnection) -> None:
    """Bound the memory of large copies: what does not fit is spilled to a folder beside the database."""
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    # Order within a table means nothing here, and keeping it would hold whole tables in memory.
    connection.execute("SET preserve_insertion_order = false")


def apply_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Create whatever is missing of the tables, and the views as they are now.

    Raises:
        SerError: the file's tables are of another version of this package.
    """
    if connection.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall():
        check_schema(connection)
    else:
        connection.execute((_SQL / "schema.sql").read_text())
        connection.execute(f"CREATE TABLE {_MARK} AS SELECT '{_schema_digest()}' AS digest")
    for name in ("macros.sql", "views.sql", "analysis.sql"):
        connection.execute((_SQL / name).read_text())


def check_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the file's tables are those of this version, and that functions in SQL are DuckDB's or ours.

    Raises:
        SerError: they are not.
    """
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    found = connection.execute(f"SELECT digest FROM {_MARK} LIMIT 2").fetchall() if _MARK in tables else []
    if found != [(_schema_digest(),)] or not tables.issuperset(_tables()):
        raise SerError(
            "The audit database is of another version of ser-dagster.\n"
            "`ser audit --rebuild` makes it anew from the artifacts."
        )
    if shadows := connection.execute(_SHADOWS).fetchall():
        raise SerError(
            f"The audit database changes what SQL means (its functions {', '.join(name for (name,) in shadows)}).\n"
            "Do not trust it: `ser audit --rebuild` makes it anew from the artifacts."
        )


def _tables() -> list[str]:
    return re.findall(r"^CREATE TABLE (\w+)", (_SQL / "schema.sql").read_text(), re.MULTILINE)


def _schema_digest() -> str:
    lines = (_SQL / "schema.sql").read_text().splitlines()
    return hashlib.sha256("\n".join(line for line in lines if not line.startswith("--")).encode()).hexdigest()[:16]
