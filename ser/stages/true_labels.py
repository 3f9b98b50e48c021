"""Stage: the pairs that a loop was trained on, with their labels in the vault: for a control, and for nothing else."""

from collections.abc import Sequence
from pathlib import Path

from ser.data import tables
from ser.data.pairs import hard_target
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec
from ser.stages.job import Inputs, Summary


class TrueLabelsSpec(Spec):
    """Nothing to choose."""


class TrueLabelsInputs(Inputs):
    """Tables of selected pairs, of which a later one wins, and the labels of the vault."""

    kept: Sequence[Path]
    vault: Path


class TrueLabelsSummary(Summary):
    """How many of the pairs have a label in the vault, on how many it is another one, and how many are left out."""

    n_labelled: int
    n_changed: int
    n_unknown: int


def run(
    spec: TrueLabelsSpec, inputs: TrueLabelsInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> TrueLabelsSummary:
    """Write `kept.parquet`: the selected pairs that the vault knows, each as heavy as it was, with its label there."""
    true = tables.labels(inputs.vault)
    selected = {row["pair_id"]: row for path in inputs.kept for row in tables.read(path)}
    known = sorted(selected.keys() & true.keys())
    rows = (
        {
            "pair_id": pair_id,
            "preferred": true[pair_id],
            "target": hard_target(true[pair_id]),
            "weight": selected[pair_id]["weight"],
        }
        for pair_id in known
    )
    n = tables.write(out / "kept.parquet", tables.SELECTED, rows)
    changed = sum(true[pair_id] != selected[pair_id]["preferred"] for pair_id in known)
    return TrueLabelsSummary(n_labelled=n, n_changed=changed, n_unknown=len(selected) - n)
