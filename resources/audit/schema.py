"""What a file of the audit database is: how it is opened, and its tables and views."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb

from ser.data.database import MEMORY
from ser.errors import SerError

_SQL = Path(__file__).parent
_MARK = "schema_version"


def connect(
    path: Path, read_only: bool = False, config: Mapping[str, str] = MappingProxyType({})
) -> duckdb.DuckDBPyConnection:
    """A connection that shows times in UTC, and whose SQL cannot change its configuration when there is one."""
    connection = duckdb.connect(str(path), read_only=read_only, config=dict(config))
    connection.execute("SET TimeZone = 'UTC'")
    if config:
        connection.execute("SET lock_configuration = true")
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
    """Check that the file's tables are those of this version.

    Raises:
        SerError: they are not.
    """
    try:
        found = connection.execute(f"SELECT digest FROM {_MARK}").fetchall()
    except duckdb.CatalogException:
        found = []
    if found != [(_schema_digest(),)]:
        raise SerError(
            "The audit database is of another version of ser-dagster.\n"
            "`ser audit --rebuild` makes it anew from the artifacts."
        )


def _schema_digest() -> str:
    lines = (_SQL / "schema.sql").read_text().splitlines()
    return hashlib.sha256("\n".join(line for line in lines if not line.startswith("--")).encode()).hexdigest()[:16]
