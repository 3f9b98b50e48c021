"""The named queries of `ser audit`: questions that an auditor asks every time."""

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Any

from resources.audit.database import query
from ser.errors import SerError

_BLOCK = re.compile(r"^-- name: (\S+)\n-- (.+)\n", re.MULTILINE)

LATEST = """
SELECT snapshot FROM heads LEFT JOIN
    (SELECT snapshot, max(scored_at) AS scored_at FROM self_labels GROUP BY snapshot) USING (snapshot)
GROUP BY snapshot ORDER BY max(scored_at) DESC NULLS LAST, max(finished_at) DESC, snapshot DESC
"""
"""The snapshots, the one that was labelled last first."""


@cache
def named_queries() -> dict[str, tuple[str, str]]:
    """Name -> (what it answers, SQL)."""
    text = (Path(__file__).parent / "queries.sql").read_text()
    _, *parts = _BLOCK.split(text)
    return {name: (about, sql) for name, about, sql in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def run_named(
    path: Path, name: str, snapshot: str | None = None, pair: str | None = None, patience: float = 5.0
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a named query on `snapshot` (default: the one that was labelled last).

    Raises:
        SerError: the query, the snapshot or the pair is unknown, or `history` was asked for without a pair.
    """
    known = named_queries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SerError(f"There is no audit query {name!r}.{hint}\nThere are: {', '.join(known)}.")
    if name == "history" and not pair:
        raise SerError("`ser audit history` needs a pair: add --pair ID (`ser audit flips` lists some).")
    snapshot = _snapshot(path, snapshot, patience)
    sql = known[name][1]
    parameters = {"snapshot": snapshot} | ({"pair": pair} if "$pair" in sql else {})
    columns, rows = query(path, sql, parameters, patience)
    if pair and name == "history" and not rows:
        raise SerError(_no_history(path, snapshot, pair, patience))
    return columns, rows


def _snapshot(path: Path, wanted: str | None, patience: float) -> str:
    """`wanted`, if it is known, else the snapshot that was labelled last."""
    snapshots = [row[0] for row in query(path, LATEST, patience=patience)[1]]
    if not snapshots:
        raise SerError("The audit database has no run yet: `ser run` makes one.")
    if wanted is not None and wanted not in snapshots:
        raise SerError(f"The audit knows no snapshot {wanted!r}.\nIt knows: {', '.join(snapshots[:10])}.")
    return wanted or snapshots[0]


def _no_history(path: Path, snapshot: str, pair: str, patience: float) -> str:
    """Why a pair has no labels: it is unknown, or not in the pool."""
    sql = "SELECT role FROM roles WHERE snapshot = $snapshot AND pair_id = $pair"
    found = query(path, sql, {"snapshot": snapshot, "pair": pair}, patience)[1]
    if not found:
        return f"There is no pair {pair!r} in {snapshot}.\n`ser audit flips` and the table pairs list some."
    return f"Pair {pair} has role {found[0][0]} in {snapshot}, and no loop has labelled it."
