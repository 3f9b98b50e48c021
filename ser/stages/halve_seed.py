"""Stage: which labelled pairs of the seed are left out of one half of it: for a control, and for nothing else."""

from collections import Counter
from pathlib import Path

import pyarrow as pa

from ser.data import tables
from ser.data.pairs import keyed_hash
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec
from ser.stages.job import Inputs, Summary

LEFT_OUT = pa.schema([("pair_id", pa.string())])


class HalveSeedSpec(Spec):
    """Another random seed draws another half."""

    random_seed: int


class HalveSeedInputs(Inputs):
    """The table of the labelled pairs of the seed."""

    seed: Path


class HalveSeedSummary(Summary):
    """How many pairs are in the half, and how many are left out: none where whole units make up no third of them."""

    n_kept: int
    n_left_out: int


def run(
    spec: HalveSeedSpec, inputs: HalveSeedInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> HalveSeedSummary:
    """Write `left_out.parquet`: whole units in the order of a keyed hash, as long as they are at most half of all."""
    groups = tables.groups(inputs.seed)
    sizes = Counter(groups.values())
    left_out: set[str] = set()
    room = len(groups) // 2
    for unit in sorted(sizes, key=lambda name: keyed_hash("half-seed", str(spec.random_seed), name)):
        if sizes[unit] <= room:
            left_out.add(unit)
            room -= sizes[unit]
    if 3 * sum(sizes[unit] for unit in left_out) < len(groups):
        left_out = set()  # what is nearly the whole seed says nothing of twice the labels
    rows = ({"pair_id": pair_id} for pair_id in sorted(groups) if groups[pair_id] in left_out)
    n = tables.write(out / "left_out.parquet", LEFT_OUT, rows)
    return HalveSeedSummary(n_kept=len(groups) - n, n_left_out=n)
