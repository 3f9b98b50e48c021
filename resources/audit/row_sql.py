"""Rows for the audit database as SQL: what they are of, and constants and files as SQL writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from resources.audit.database import literal
from ser.data.database import pattern

Row = dict[str, Any]


@dataclass(frozen=True)
class AuditRows:
    """Rows of one `table`, selected by the SQL `source`: facts of artifacts, or rows that datasets gather.

    Facts are the rows whose columns of `artifacts` have these values: they are there, all of them, or not at all. Of
    gathered rows those are added whose values of `identity` are not there yet, and `compared` says which columns must
    be the same as in the artifacts.
    """

    table: str
    name: str
    source: str
    artifacts: Mapping[str, str] | None = None
    identity: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """SQL for which rows of the table these are."""
        if self.artifacts is None:
            names = ", ".join(self.identity)
            return f"({names}) IN (SELECT ({names}) FROM ({self.source}))"
        return " AND ".join(f"{name} = {literal(value)}" for name, value in self.artifacts.items())

    @property
    def rows(self) -> str:
        """SQL for the rows with all their columns."""
        named = (f"{literal(value)} AS {name}" for name, value in (self.artifacts or {}).items())
        return f"SELECT {', '.join([*named, '*'])} FROM ({self.source})"


def values(rows: Sequence[Row]) -> str:
    """SQL for these rows, of which there is at least one and all have the same columns."""
    lines = (f"({', '.join(map(constant, row.values()))})" for row in rows)
    return f"SELECT * FROM (VALUES {', '.join(lines)}) AS v({', '.join(rows[0])})"


def parquet(path: Path) -> str:
    """SQL that reads a file, whatever characters are in its name."""
    return f"read_parquet({literal(pattern(path))})"


def constant(value: Any) -> str:
    """A value as an SQL constant."""
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case float():
            return f"CAST({literal(repr(value))} AS DOUBLE)"
        case datetime():
            return f"TIMESTAMPTZ {literal(value.isoformat(sep=' '))}"
        case _:
            return literal(str(value))
