"""Stage: the selection of one loop, by the rule that its status report decided."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.method.selection import PairRule, select_pair
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec, Target
from ser.stages.job import Inputs, Summary


class FilterPairsSpec(Spec):
    """What a selected pair is trained to."""

    target: Target


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
    rule = PairRule.model_validate(json.loads(inputs.status.read_text())["rule"])

    def decided() -> Iterator[dict[str, Any]]:
        for row in tables.read(inputs.self_labels):
            scored = (row[name] for name in ("p_a", "p_b", "confidence", "preferred"))
            chosen = select_pair(rule, spec.target, *scored)
            yield {"pair_id": row["pair_id"], "preferred": row["preferred"], **chosen._asdict()}

    total = tables.write(out / "filtered.parquet", tables.FILTERED, decided())
    kept = (row for row in tables.read(out / "filtered.parquet") if row["kept"])
    n_kept = tables.write(out / "kept.parquet", tables.SELECTED, kept)
    return FilterPairsSummary(n_kept=n_kept, n_left=total - n_kept, rule=rule.condition)
