"""Stage: the learning status of one loop."""

import json
from pathlib import Path

from ser.data import tables
from ser.method.status import count_statuses, learning_status
from ser.progress import Progress
from ser.specs import HERE, Execution, Spec, Thresholds
from ser.stages.job import Inputs, Summary


class ReportStatusSpec(Spec):
    """The rule; `n_min` is fixed for the run, from the pool of loop 1."""

    loop: int
    thresholds: Thresholds
    n_min: int


class ReportStatusInputs(Inputs):
    """A table of self-labels and the summary of their stage."""

    self_labels: Path
    summary: Path


class ReportStatusSummary(Summary):
    """The status and what decided it."""

    loop: int
    status: str
    n_pool: int
    n_status_1: int
    n_status_2: int
    n_min: int
    reward_offset: float
    thresholds: dict[str, float]


def run(
    spec: ReportStatusSpec, inputs: ReportStatusInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> ReportStatusSummary:
    """Decide the status from `inputs.self_labels` and its summary `inputs.summary`; write `status.json`."""
    rows = tables.read(inputs.self_labels, columns=["p_a", "p_b"])
    n_status_1, n_status_2 = count_statuses(((row["p_a"], row["p_b"]) for row in rows), spec.thresholds)
    labelled = json.loads(inputs.summary.read_text())
    report = ReportStatusSummary(
        loop=spec.loop,
        status=learning_status(n_status_1, n_status_2, spec.n_min),
        n_pool=labelled["n_pool"],
        n_status_1=n_status_1,
        n_status_2=n_status_2,
        n_min=spec.n_min,
        reward_offset=labelled["reward_offset"],
        thresholds=spec.thresholds.model_dump(include={"tau_high", "tau_low", "tau_delta"}),
    )
    (out / "status.json").write_text(json.dumps(report.model_dump(), sort_keys=True) + "\n")
    return report
