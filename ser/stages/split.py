"""Stage: one table per role, so that a stage can be given what it may see and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.data.database import open_database, pattern
from ser.data.role_assignment import Assignment, assign_roles
from ser.data.sorting import in_order
from ser.progress import Progress
from ser.scratch import scratch_path
from ser.specs import HERE, Execution, Roles, Spec
from ser.stages.job import Inputs, Summary


class SplitSpec(Spec):
    """How the pairs of the snapshot are shared out."""

    roles: Roles


class SplitInputs(Inputs):
    """The tables of a snapshot."""

    pairs: Path
    labels: Path
    judge_labels: Path


class SplitSummary(Summary):
    """How many pairs have each role, the fractions that decided, and what was odd."""

    seed: int
    calibration: int
    test: int
    pool: int
    unused: int
    vault: int
    judge: int
    labelled: int
    simulated: bool
    test_fraction: float
    calibration_fraction: float
    seed_fraction: float
    disputed: int
    undecided: int
    contradictions: int
    beyond_max_pairs: int
    beyond_heldout_max: int
    beyond_seed_per_group: int
    largest_unit: int
    notes: list[str]


ROLES = pa.schema([("pair_id", pa.string()), ("role", pa.string()), ("in_vault", pa.bool_())])
UNITS = pa.schema([("pair_id", pa.string()), ("unit", pa.string())])
"""What ties a pool pair to others: pairs of one unit are never in two folds."""

_ASSIGNED = pa.schema(
    [("pair_id", pa.string()), ("role", pa.string()), ("preferred", pa.string()), ("unit", pa.string())]
)


def run(
    spec: SplitSpec, inputs: SplitInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> SplitSummary:
    """Split `inputs.pairs`, `inputs.labels` and `inputs.judge_labels` of a snapshot by role.

    Writes `seed`, `calibration`, `test` (pairs with their label), `pool` (pairs without), `judge` (judge labels of
    calibration and test pairs), `units` of the pool and `roles`. No label of a pool pair is in any of them.
    """
    assigned = scratch_path(out, "assigned")
    assignment = assign(spec.roles, inputs, assigned)
    for role in ("seed", "calibration", "test"):
        tables.write(out / f"{role}.parquet", tables.LABELLED, _pairs_of(role, inputs.pairs, assigned))
    tables.write(out / "pool.parquet", tables.PAIRS, _pairs_of("pool", inputs.pairs, assigned))
    tables.write(out / "units.parquet", UNITS, (row for row in tables.read(assigned) if row["role"] == "pool"))
    tables.write(out / "judge.parquet", tables.LABELS, _judge_labels(inputs.judge_labels, assigned))
    roles = (row | {"in_vault": in_vault(row)} for row in tables.read(assigned))
    tables.write(out / "roles.parquet", ROLES, roles)
    return SplitSummary(**_summary(assignment), judge=tables.count(out / "judge.parquet"))


def assign(roles: Roles, inputs: SplitInputs, assigned: Path) -> Assignment:
    """Write the role, the label and the unit of every pair, sorted by pair_id."""
    with open_database(scratch_path(assigned.parent, "spill")) as con:
        for view, path in (("pair", inputs.pairs), ("label", inputs.labels)):
            con.read_parquet(pattern(path)).create_view(view)
        assignment = assign_roles(con, roles)
        rows = con.sql("FROM assigned").to_arrow_reader(tables.ROWS)
        tables.write(assigned, _ASSIGNED, in_order(rows, ["pair_id"], assigned.parent))
    return assignment


def _pairs_of(role: str, pairs: Path, assigned: Path) -> Iterator[dict[str, Any]]:
    """The pairs of a role with the label that counts and their unit; both tables are sorted by pair_id."""
    rows = tables.read(pairs, columns=tables.PAIRS.names)
    for row, decided in zip(rows, tables.read(assigned), strict=True):
        if decided["role"] == role:
            yield row | {"preferred": decided["preferred"], "unit": decided["unit"]}


def _judge_labels(labels: Path, assigned: Path) -> Iterator[dict[str, Any]]:
    """The judge labels of held-out pairs: those of the pool would be a vault beside the vault."""
    heldout = {row["pair_id"] for row in tables.read(assigned) if row["role"] in ("calibration", "test")}
    return (row for row in tables.read(labels, tables.LABELS.names) if row["pair_id"] in heldout)


def in_vault(row: Mapping[str, Any]) -> bool:
    """Whether the label of an assigned pair is known, and kept from all that learns."""
    return row["role"] == "pool" and row["preferred"] is not None


def _summary(assignment: Assignment) -> dict[str, Any]:
    fractions = asdict(assignment.fractions)
    simulated = fractions.pop("simulated")
    oddities = (
        "disputed",
        "undecided",
        "contradictions",
        "beyond_max_pairs",
        "beyond_heldout_max",
        "beyond_seed_per_group",
        "largest_unit",
    )
    return {
        **assignment.counts,
        "labelled": assignment.labelled.labelled,
        "simulated": simulated,
        **{f"{name}_fraction": value for name, value in fractions.items()},
        **{name: getattr(assignment, name) for name in oddities},
        "notes": assignment.oddities(),
    }
