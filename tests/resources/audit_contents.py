"""What an audit database holds."""

from typing import Any

from resources.audit.database import AuditDatabase, query


def rows(database: AuditDatabase, sql: str) -> list[tuple[Any, ...]]:
    return query(database.path, sql)[1]


def content(database: AuditDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but that which says when they were written."""
    names = [name for (name,) in rows(database, "SELECT table_name FROM duckdb_tables() ORDER BY 1") if name != "about"]
    return {name: rows(database, f"SELECT * FROM {name} ORDER BY ALL") for name in names}
