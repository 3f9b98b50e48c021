"""Several evolutions side by side: settings that differ, loops, paired gains, and labels that are not the same."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.database import AuditDatabase
from resources.dotted import dotted
from ser.method.stats import gain

Row = dict[str, Any]

_LOOPS = """
SELECT loop, status, n_pool, n_kept, test_accuracy, test_ci_low, test_ci_high, label_precision, label_ci_low,
       label_ci_high, label_measured_on, promoted, rm_version
FROM loop_summary WHERE evolution = $one ORDER BY loop
"""
_ANSWERS = """
SELECT a.reward_a <> a.reward_b AND (a.reward_a > a.reward_b) = (a.preferred = 'a') AS before,
       b.reward_a <> b.reward_b AND (b.reward_a > b.reward_b) = (b.preferred = 'a') AS after,
       coalesce(CAST(p.tied AS VARCHAR), pair_id) AS tied
FROM heldout_scores a JOIN heldout_scores b USING (pair_id) LEFT JOIN pairs p USING (pair_id)
WHERE a.evolution = $one AND a.rm_version = $before AND a.split = 'test'
  AND b.evolution = $other AND b.rm_version = $after AND b.split = 'test'
"""
_LABELS = """
SELECT loop, count(*) AS n, count(*) FILTER (a.preferred <> b.preferred) AS n_changed,
       count(*) FILTER (a.kept) AS n_kept, count(*) FILTER (b.kept) AS n_kept_other,
       count(*) FILTER (a.kept AND b.kept) AS n_kept_by_both,
       count(*) FILTER (a.kept AND b.kept AND a.preferred <> b.preferred) AS n_changed_kept
FROM self_labels a JOIN self_labels b USING (loop, pair_id)
WHERE a.evolution = $one AND b.evolution = $other GROUP BY loop ORDER BY loop
"""


def compare_evolutions(path: Path, evolutions: Sequence[str]) -> Row:
    """What `ser compare --json` prints of these evolutions (full names): the first against each of the others.

    `settings` are those that are not the same in all, by their dotted names, with a value an evolution. `gains` are the
    promoted model of each later evolution against that of the first, on the test pairs that both have, with the paired
    difference and its interval; null where one has promoted none, or they share no test pair. `labels` counts, for each
    loop, the pool pairs that both labelled, and how many got another label.
    """
    with AuditDatabase(path).reading(sandbox=True) as connection:
        about = [_rows(connection, "SELECT * FROM evolutions WHERE evolution = $one", one=one)[0] for one in evolutions]
        first, *others = about
        return {
            "evolutions": [{name: value for name, value in one.items() if name != "settings"} for one in about],
            "settings": _differing(about),
            "loops": [_rows(connection, _LOOPS, one=one) for one in evolutions],
            "gains": [_promoted_gain(connection, first, other) for other in others],
            "labels": [
                _rows(connection, _LABELS, one=first["evolution"], other=other["evolution"]) for other in others
            ],
        }


def _differing(about: Sequence[Row]) -> list[Row]:
    """The settings that are not the same in all; one that a version did not have yet is null there."""
    flat = [dotted(json.loads(one["settings"])) for one in about]
    names = sorted({name for settings in flat for name in settings})
    rows = [{"setting": name, "values": [settings.get(name) for settings in flat]} for name in names]
    return [row for row in rows if any(a != b for a, b in pairwise(row["values"]))]


def _promoted_gain(connection: duckdb.DuckDBPyConnection, first: Row, other: Row) -> Row | None:
    if first["promoted_rm"] is None or other["promoted_rm"] is None:
        return None
    named = {"one": first["evolution"], "other": other["evolution"]}
    rows = _rows(connection, _ANSWERS, **named, before=first["promoted_rm"], after=other["promoted_rm"])
    if not rows:
        return None
    before, after, tied = ([row[name] for row in rows] for name in ("before", "after", "tied"))
    value, low, high = gain(before, after, tied)
    shares = {"before": sum(before) / len(rows), "after": sum(after) / len(rows)}
    return {"n": len(rows), **shares, "gain": value, "ci_low": low, "ci_high": high}


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> list[Row]:
    found = connection.execute(sql, parameters)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
