"""What a file of the audit database is: how it is opened, and its tables and views."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.dictionary import explain
from resources.audit.sandbox import SANDBOX, confine
from ser.data.database import MEMORY
from ser.errors import SerError

_SQL = Path(__file__).parent
_MARK = "about"
_DEFINED = ("macros.sql", "views.sql", "analysis.sql", "watch.sql", "shift.sql", "queries.sql")
# Names in full, and no function but these: the file may have functions that are called like DuckDB's.
_TABLES = "SELECT table_name, sql FROM system.main.duckdb_tables()"
_FUNCTIONS = "SELECT function_name, parameters, macro_definition FROM system.main.duckdb_functions() WHERE NOT internal"
_VIEW_QUERIES = "SELECT view_name, sql FROM system.main.duckdb_views()"
_EXCLUDED = re.compile(r"(?<=EXCLUDE \()[^()]+")
"""The columns that a view leaves out: a set, which DuckDB shows in any order."""


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
    # Near the bound, two threads at a time may each take what the other needs, and the query fails instead of spilling.
    connection.execute("SET threads = 1")
    # Order within a table means nothing here, and keeping it would hold whole tables in memory.
    connection.execute("SET preserve_insertion_order = false")


def apply_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Create whatever is missing of the tables, and the views as they are now.

    Raises:
        SerError: the file's tables are of another version of this package.
    """
    if connection.execute(_TABLES).fetchall():
        functions = _functions(connection)
        _check_tables(connection, functions)
        # Views over views are bound anew each time that they are defined: most of what a small sync would take.
        if not _changed(connection, functions):
            return
    else:
        connection.execute((_SQL / "schema.sql").read_text())
        connection.execute(
            f"INSERT INTO {_MARK} VALUES (?, ?, NULL)", [_schema_digest(), metadata.version("ser-dagster")]
        )
    for name in _DEFINED:
        connection.execute((_SQL / name).read_text())
    explain(connection)


def check_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the file's tables, views and functions are those of this version.

    Raises:
        SerError: they are not.
    """
    functions = _functions(connection)
    _check_tables(connection, functions)
    if changed := _changed(connection, functions):
        raise SerError(
            f"The audit database's {', '.join(changed[:3])} are of another version of ser-dagster, or were changed.\n"
            "Do not trust them: `ser audit --rebuild` makes it anew from the artifacts."
        )


def check_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the file's tables are those of this version, and that no function takes the place of DuckDB's.

    Raises:
        SerError: they are not, or one does.
    """
    _check_tables(connection, _functions(connection))


def _check_tables(connection: duckdb.DuckDBPyConnection, functions: Iterable[str]) -> None:
    tables = {name for name, _ in connection.execute(_TABLES).fetchall()}
    found = connection.execute(f"SELECT schema_version FROM {_MARK} LIMIT 2").fetchall() if _MARK in tables else []
    if found != [(_schema_digest(),)] or not tables.issuperset(_tables()):
        raise SerError(
            "The audit database is of another version of ser-dagster.\n"
            "`ser audit --rebuild` makes it anew from the artifacts."
        )
    if shadows := sorted(_duckdbs_functions().intersection(functions)):
        raise SerError(
            f"The audit database changes what SQL means (its functions {', '.join(shadows[:3])}).\n"
            "Do not trust it: `ser audit --rebuild` makes it anew from the artifacts."
        )


def _changed(connection: duckdb.DuckDBPyConnection, functions: Mapping[str, Any]) -> list[str]:
    """The tables, views and functions that are not as this version defines them."""
    found, ours = _definitions(connection, functions), _our_definitions()
    return sorted(name for name in ours if found.get(name) != ours[name])


def _functions(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What each function that is not DuckDB's does, by its name."""
    return {name: what for name, *what in connection.execute(_FUNCTIONS).fetchall()}


def _definitions(connection: duckdb.DuckDBPyConnection, functions: Mapping[str, Any]) -> dict[str, Any]:
    """What each table and view is, and each of the functions, by its name."""
    tables = dict(connection.execute(_TABLES).fetchall())
    views = {name: _EXCLUDED.sub(_in_order, query) for name, query in connection.execute(_VIEW_QUERIES).fetchall()}
    return {**tables, **views, **{f"{name}()": what for name, what in functions.items()}}


def _in_order(excluded: re.Match[str]) -> str:
    return ", ".join(sorted(excluded[0].split(", ")))


@cache
def _our_definitions() -> dict[str, Any]:
    with duckdb.connect() as connection:
        before = _definitions(connection, {})
        apply_schema(connection)
        after = _definitions(connection, _functions(connection))
        return {name: what for name, what in after.items() if name not in before}


@cache
def _duckdbs_functions() -> frozenset[str]:
    with duckdb.connect() as connection:
        found = connection.execute("SELECT function_name FROM duckdb_functions() WHERE internal").fetchall()
        return frozenset(name for (name,) in found)


def _tables() -> list[str]:
    return re.findall(r"^CREATE TABLE (\w+)", (_SQL / "schema.sql").read_text(), re.MULTILINE)


def _schema_digest() -> str:
    lines = (_SQL / "schema.sql").read_text().splitlines()
    return hashlib.sha256("\n".join(line for line in lines if not line.startswith("--")).encode()).hexdigest()[:16]
