"""Stage: one table per role, so that a stage can be given what it may see and nothing else."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser import tables
from ser.errors import SerError
from ser.pairs import unit_interval
from ser.progress import Progress
from ser.stages.specs import SplitSpec

MIN_LABELS = 16
"""Human labels below which training, calibrating or testing would be noise."""

ROLES = pa.schema([("pair_id", pa.string()), ("role", pa.string())])
PURPOSE = {"seed": "train the seed RM", "calibration": "calibrate", "test": "report an accuracy"}


def run(spec: SplitSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Split `inputs["pairs"]`, `inputs["labels"]` and `inputs["judge_labels"]` of a snapshot by role.

    Writes `seed`, `calibration`, `test` (pairs with their label), `pool` (pairs without), `vault` (labels of pool
    pairs), `judge` (judge labels) and `roles`.

    Raises:
        SerError: a role that needs human labels has too few; says how many are needed.
    """
    inside = _sample(inputs["pairs"], spec.max_pairs)

    def rows(*roles: str) -> Iterator[dict[str, Any]]:
        """The pairs of some roles with their label, or None."""
        pairs = tables.read(inputs["pairs"], columns=[*tables.PAIRS.names, "group", "role"])
        for row, preferred in labelled(pairs, inputs["labels"]):
            if row["role"] in roles and inside(row):
                yield {name: row[name] for name in (*tables.PAIRS.names, "group")} | {"preferred": preferred}

    counts = {}
    for role in ("seed", "calibration", "test"):
        counts[role] = tables.write(out / f"{role}.parquet", tables.LABELLED, rows(role))
    counts["pool"] = tables.write(out / "pool.parquet", tables.PAIRS, rows("pool"))
    vault = (row for row in rows("pool") if row["preferred"])
    counts["vault"] = tables.write(out / "vault.parquet", tables.LABELS, vault)
    judged = tables.read(inputs["judge_labels"], columns=tables.LABELS.names)
    counts["judge"] = tables.write(out / "judge.parquet", tables.LABELS, judged)
    _write_roles(inputs["pairs"], out, inside)
    _check(counts)
    return counts


def labelled(pairs: Iterator[dict[str, Any]], labels: Path) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each pair with the label that most annotators gave, or None.

    Both tables are sorted by pair_id, and every label is of one of the pairs: neither has to be held in memory.
    """
    votes = groupby(tables.read(labels, columns=tables.LABELS.names), key=lambda row: row["pair_id"])
    pair_id, given = next(votes, (None, None))
    for pair in pairs:
        if given is not None and pair["pair_id"] == pair_id:
            yield pair, majority(pair["pair_id"], [row["preferred"] for row in given])
            pair_id, given = next(votes, (None, None))
        else:
            yield pair, None
    if given is not None:
        raise ValueError(f"{labels}: the label of {pair_id} belongs to no pair, or the tables are not sorted")


def majority(pair_id: str, votes: Sequence[str]) -> str:
    """The label that most annotators gave.

    A tie carries no information about the pair, so it is decided by the pair's identity, which favours neither side.
    """
    a, b = votes.count("a"), votes.count("b")
    if a == b:
        return "a" if unit_interval("tie", pair_id) < 0.5 else "b"
    return "a" if a > b else "b"


def _sample(pairs: Path, max_pairs: int | None):
    """Which rows to use: whole groups in the order of a hash, until `max_pairs` pairs are in."""
    if max_pairs is None or tables.count(pairs) <= max_pairs:
        return lambda row: True
    sizes: Counter[str] = Counter()
    for row in tables.read(pairs, columns=["prompt", "group"]):
        sizes[row["group"] or row["prompt"]] += 1
    chosen: set[str] = set()
    used = 0
    for key in sorted(sizes, key=lambda key: unit_interval("max-pairs", key)):
        if used + sizes[key] <= max_pairs:
            chosen.add(key)
            used += sizes[key]
    return lambda row: (row["group"] or row["prompt"]) in chosen


def _write_roles(pairs: Path, out: Path, inside) -> None:
    rows = tables.read(pairs, columns=["pair_id", "prompt", "group", "role"])
    roles = ({"pair_id": row["pair_id"], "role": row["role"] if inside(row) else "unused"} for row in rows)
    tables.write(out / "roles.parquet", ROLES, roles)


def _check(counts: Mapping[str, int]) -> None:
    for role, purpose in PURPOSE.items():
        if counts[role] < MIN_LABELS:
            raise SerError(
                f"too few human labels to {purpose}: {counts[role]} {role} pairs, at least {MIN_LABELS} are needed. "
                "Land more labelled pairs (25 % become test, 10 % calibration), or name their role in a `role` column."
            )
    if counts["pool"] == 0:
        raise SerError("the pool is empty: there is nothing to self-label. Land pairs without labels.")
