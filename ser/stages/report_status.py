"""Stage: the learning status of one loop."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.method.selection import count_statuses, learning_status
from ser.progress import Progress
from ser.stages.specs import ReportStatusSpec


def run(spec: ReportStatusSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Decide the status from `inputs["self_labels"]` and its summary `inputs["summary"]`; write `status.json`."""
    rows = tables.read(inputs["self_labels"], columns=["p_a", "p_b"])
    n_status_1, n_status_2 = count_statuses(((row["p_a"], row["p_b"]) for row in rows), spec.thresholds)
    labelled = json.loads(inputs["summary"].read_text())
    report = {
        "loop": spec.loop,
        "status": learning_status(n_status_1, n_status_2, spec.n_min),
        "n_pool": labelled["n_pool"],
        "n_status_1": n_status_1,
        "n_status_2": n_status_2,
        "n_min": spec.n_min,
        "reward_offset": labelled["reward_offset"],
        "thresholds": spec.thresholds.model_dump(include={"tau_high", "tau_low", "tau_delta"}),
    }
    (out / "status.json").write_text(json.dumps(report, sort_keys=True) + "\n")
    return report
