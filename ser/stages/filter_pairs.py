"""Stage: keep the self-labelled pairs that meet the rule of the loop's status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.method.status import filter_pair
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec, Thresholds
from ser.stages.job import Inputs, Summary


class FilterPairsSpec(Spec):
    """The rule's thresholds."""

    thresholds: Thresholds


class FilterPairsInputs(Inputs):
    """A table of self-labels and the file of the status."""

    self_labels: Path
    status: Path


class FilterPairsSummary(Summary):
    """How many pairs were kept and left, and by which rule."""

    n_kept: int
    n_left: int
    rule: str


def run(
    spec: FilterPairsSpec, inputs: FilterPairsInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> FilterPairsSummary:
    """Write `filtered.parquet` (every pair with its reason) and `kept.parquet` (what is trained on)."""
    status = json.loads(inputs.status.read_text())["status"]

    def decided() -> Iterator[dict[str, Any]]:
        for row in tables.read(inputs.self_labels):
            kept, rule, reason = filter_pair(status, row["p_a"], row["p_b"], spec.thresholds)
            yield {
                "pair_id": row["pair_id"],
                "preferred": row["preferred"],
                "rule": rule,
                "kept": kept,
                "reason": reason,
                "weight": 1.0 if kept else 0.0,
            }

    total = tables.write(out / "filtered.parquet", tables.FILTERED, decided())
    kept = (row for row in tables.read(out / "filtered.parquet", columns=[*tables.LABELS.names, "kept"]) if row["kept"])
    n_kept = tables.write(
        out / "kept.parquet",
        tables.LABELS,
        ({"pair_id": row["pair_id"], "preferred": row["preferred"]} for row in kept),
    )
    return FilterPairsSummary(n_kept=n_kept, n_left=total - n_kept, rule=f"status_{status}")
