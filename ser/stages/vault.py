"""Stage: the human labels of pool pairs, apart from all that learns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.kept import keep_as
from ser.progress import Progress
from ser.stages.specs import SplitSpec
from ser.stages.split import assign, in_vault


def run(spec: SplitSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `vault.parquet`, the labels of the pool pairs that `split` would draw from the same inputs."""
    assigned = keep_as(out, "assigned")
    assign(spec.roles, inputs, assigned)
    labels = (row for row in tables.read(assigned) if in_vault(row))
    return {"vault": tables.write(out / "vault.parquet", tables.LABELS, labels)}
