"""Stage: the human labels of pool pairs, apart from all that learns."""

from pathlib import Path

from ser.data import tables
from ser.progress import Progress
from ser.scratch import scratch_path
from ser.specs import HERE, Execution, Roles, Spec
from ser.stages.job import Summary
from ser.stages.split import SplitInputs, assign, in_vault


class VaultSpec(Spec):
    """The draw that decides which pairs are in the pool: that of the splits."""

    roles: Roles


class VaultInputs(SplitInputs):
    """The tables of a snapshot."""


class VaultSummary(Summary):
    """How many labels there are."""

    vault: int


def run(
    spec: VaultSpec, inputs: VaultInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> VaultSummary:
    """Write `vault.parquet`, the labels of the pool pairs that `split` would draw from the same inputs."""
    assigned = scratch_path(out, "assigned")
    assign(spec.roles, inputs, assigned)
    labels = (row for row in tables.read(assigned) if in_vault(row))
    return VaultSummary(vault=tables.write(out / "vault.parquet", tables.LABELS, labels))
