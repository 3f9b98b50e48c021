"""What the audit database says about drift over the loops of an evolution."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.database import AuditDatabase
from resources.audit.schema import prepare_for_bulk

WATCHED = {
    "loop_watch": "SELECT * FROM loop_watch WHERE evolution = $e ORDER BY loop",
    "reliability": "SELECT * FROM reliability WHERE evolution = $e ORDER BY loop, split, confidence_from",
    "pool_shift": "SELECT * FROM pool_shift WHERE evolution = $e",
    "pool_comparison": "SELECT * FROM pool_comparison WHERE evolution = $e ORDER BY measure",
}
"""What is asked of the audit; `$e` is the evolution."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """What is watched in an evolution."""

    loops: list[Row]
    """Rows of `loop_watch`; none where the audit has nothing of the evolution yet."""
    reliability: list[Row]
    """Accuracy by confidence of each loop's model (`reliability`)."""
    shift: Row | None
    """How well the human-labelled pairs are told from the pool (`pool_shift`)."""
    comparison: list[Row]
    """In what the two differ (`pool_comparison`)."""


def read_watch(path: Path, evolution: str) -> Watch:
    """What is watched in an evolution; no SQL but ours is asked, so that it may spill to the disk.

    Raises:
        SerError: there is no database (`NothingAudited`), it is damaged, or (`AuditBusy`) being written.
    """
    with AuditDatabase(path).reading() as connection:
        prepare_for_bulk(connection)  # labels of the loops are joined, and a pool may have any size
        loops, reliability, shift, comparison = (_rows(connection, sql, evolution) for sql in WATCHED.values())
    return Watch(loops, reliability, shift[0] if shift else None, comparison)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, evolution: str) -> list[Row]:
    result = connection.execute(sql, {"e": evolution})
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
