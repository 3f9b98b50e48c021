"""The named queries of `ser audit`: questions that an auditor asks every time."""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from resources.audit.database import NothingAudited, query
from ser.errors import SerError

_NAMED = re.compile(r"^-- name: (\S+) \((.+)\)\n-- (.+)\n", re.MULTILINE)
_BESIDE = ("evolution", "snapshot", "recipe", "number", "place")
"""Columns that an answer about one evolution leaves out: what it is asked for, and what only orders it."""

_KNOWN = """
SELECT evolution, name, snapshot, dataset, settings_digest FROM evolutions
ORDER BY executed_at DESC NULLS LAST, evolution DESC
"""
_MOST = 10
"""Evolutions that an error names at most."""


@cache
def named_queries() -> dict[str, tuple[str, str]]:
    """Name -> (what it answers, SQL). Each is a view, whose name has `_` for `-`."""
    text = (Path(__file__).parent / "queries.sql").read_text()
    return {name: (about, _asked(name, order)) for name, order, about in _NAMED.findall(text)}


def _asked(name: str, order: str) -> str:
    pair = " AND pair_id = $pair" if name == "history" else ""
    columns = f"COLUMNS(lambda c: c NOT IN {_BESIDE})"
    return f'SELECT {columns} FROM "{name.replace("-", "_")}" WHERE evolution = $evolution{pair} ORDER BY {order}'


def run_named(
    path: Path, name: str, evolution: str, pair: str | None = None, patience: float = 5.0
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a named query on an evolution (its full name).

    Raises:
        SerError: the query or the pair is unknown, or `history` was asked for without a pair.
    """
    check_query(name, pair)
    sql = named_queries()[name][1]
    parameters = {"evolution": evolution} | ({"pair": pair} if "$pair" in sql else {})
    columns, rows = query(path, sql, parameters, patience)
    if pair and name == "history" and not rows:
        raise SerError(_no_history(path, evolution, pair, patience))
    return columns, rows


def check_query(name: str, pair: str | None) -> None:
    """Check that there is a query of this name, and that it has the pair that it needs.

    Raises:
        SerError: names what there is, or what is missing.
    """
    known = named_queries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SerError(f"There is no audit query {name!r}.{hint}\nThere are: {', '.join(known)}.")
    if name == "history" and not pair:
        raise SerError("`ser audit history` needs a pair: add --pair ID (`ser audit flips` lists some).")


def find_evolution(path: Path, wanted: str | None = None, dataset: str | None = None, patience: float = 5.0) -> str:
    """The full name of the evolution that a person means, by default the one that was touched last.

    Args:
        wanted: its full name, the name that a person gave it, or how its snapshot or its settings digest begins.
        dataset: whose evolutions are looked at.

    Raises:
        NothingAudited: there is no such one; names those that there are.
        SerError: there is more than one.
    """
    columns, rows = query(path, _KNOWN, patience=patience)
    known = [dict(zip(columns, row, strict=True)) for row in rows]
    if not known:
        raise NothingAudited("The audit database has no evolution yet: `ser run` makes one.")
    mine = [one for one in known if dataset in (None, one["dataset"])]
    if not mine:
        raise NothingAudited(f"The audit knows no evolution of dataset {dataset!r}.\nIt knows: {_names(known)}.")
    if wanted is None:
        return mine[0]["evolution"]
    for fits in (
        [one for one in mine if wanted in (one["evolution"], one["name"])],
        [one for one in mine if one["evolution"].startswith(wanted) or one["settings_digest"].startswith(wanted)],
    ):
        if len(fits) == 1:
            return fits[0]["evolution"]
        if fits:
            raise SerError(
                f"{wanted!r} may be {len(fits)} evolutions: give more of the name.\nThey are: {_names(fits)}."
            )
    raise NothingAudited(f"The audit knows no evolution {wanted!r}.\nIt knows: {_names(mine)}.")


def audited_evolutions(path: Path) -> set[str]:
    """The full names of the evolutions that the audit has rows of.

    Raises:
        SerError: there is no database, or it is busy or damaged.
    """
    return {row[0] for row in query(path, "SELECT evolution FROM evolutions")[1]}


def _names(evolutions: Sequence[Mapping[str, Any]]) -> str:
    """Full names, each with what a person calls it."""
    said = [one["evolution"] + (f" ({one['name']})" if one["name"] else "") for one in evolutions[:_MOST]]
    return ", ".join(said) + (f" and {len(evolutions) - _MOST} more" if len(evolutions) > _MOST else "")


def _no_history(path: Path, evolution: str, pair: str, patience: float) -> str:
    """Why a pair has no labels: it is unknown, or not in the pool."""
    sql = "SELECT role FROM roles WHERE evolution = $evolution AND pair_id = $pair"
    found = query(path, sql, {"evolution": evolution, "pair": pair}, patience)[1]
    if not found:
        return f"There is no pair {pair!r} in {evolution}.\n`ser audit flips` and the table pairs list some."
    return f"Pair {pair} has role {found[0][0]} in {evolution}, and no loop has labelled it."
