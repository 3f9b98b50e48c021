"""Stage: one table per role, so that a stage can be given what it may see and nothing else."""

from collections import Counter
from collections.abc import Iterator, Mapping
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
    labels = majority(tables.read(inputs["labels"], columns=tables.LABELS.names))
    inside = _sample(inputs["pairs"], spec.max_pairs)

    def rows(*roles: str) -> Iterator[dict[str, Any]]:
        for row in tables.read(inputs["pairs"], columns=[*tables.PAIRS.names, "group", "role"]):
            if row["role"] in roles and inside(row):
                yield row

    def texts(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in tables.PAIRS.names}

    counts = {}
    for role in ("seed", "calibration", "test"):
        labelled = (texts(row) | {"preferred": labels[row["pair_id"]]} for row in rows(role))
        counts[role] = tables.write(out / f"{role}.parquet", tables.LABELLED, labelled)
    counts["pool"] = tables.write(out / "pool.parquet", tables.PAIRS, map(texts, rows("pool")))
    vault = (
        {"pair_id": row["pair_id"], "preferred": labels[row["pair_id"]]}
        for row in rows("pool")
        if row["pair_id"] in labels
    )
    counts["vault"] = tables.write(out / "vault.parquet", tables.LABELS, vault)
    judged = tables.read(inputs["judge_labels"], columns=tables.LABELS.names)
    counts["judge"] = tables.write(out / "judge.parquet", tables.LABELS, judged)
    _write_roles(inputs["pairs"], out, inside)
    _check(counts)
    return counts


def majority(labels: Iterator[dict[str, Any]]) -> dict[str, str]:
    """The label of each pair that most annotators gave; a tie goes to the response with the smaller letter hash.

    A tie carries no information about the pair, so it is decided by the pair's identity, which favours neither side.
    """
    votes: dict[str, Counter[str]] = {}
    for row in labels:
        votes.setdefault(row["pair_id"], Counter())[row["preferred"]] += 1
    decided = {}
    for pair_id, vote in votes.items():
        coin = "a" if unit_interval("tie", pair_id) < 0.5 else "b"
        decided[pair_id] = coin if vote["a"] == vote["b"] else max(vote, key=vote.__getitem__)
    return decided


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
