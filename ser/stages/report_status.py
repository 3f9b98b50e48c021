"""Stage: the learning status of one loop, and the rule by which it selects."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ser.data import tables
from ser.method.calibration import confidence
from ser.method.precision import Cut, calibrated_cut, promised_precision
from ser.method.selection import PairRule, count_statuses, learning_status
from ser.progress import Progress
from ser.specs import HERE, Execution, Select, Spec, Thresholds
from ser.stages.job import Inputs, Summary


class ReportStatusSpec(Spec):
    """The thresholds and what selects; `n_min` is fixed for the evolution, from the pool of loop 1."""

    loop: int
    thresholds: Thresholds
    n_min: int
    select: Select
    min_precision: float | Literal["relative"] | None = None


class ReportStatusInputs(Inputs):
    """A table of self-labels and the summary of their stage.

    For a cut that keeps a promise also the calibration pairs: a labelled table, how the model that labelled the pool
    scored them (`alike.parquet`), and how the seed RM did (`heldout.parquet`).
    """

    self_labels: Path
    summary: Path
    calibration: Path | None = None
    alike: Path | None = None
    seed: Path | None = None


class ReportStatusSummary(Summary):
    """The status and what decided it; `ends` says whether the loop selects nothing, and `why`."""

    loop: int
    status: str
    n_pool: int
    n_status_1: int
    n_status_2: int
    n_min: int
    reward_offset: float
    thresholds: dict[str, float]
    select: Select
    rule: dict[str, Any]
    ends: bool
    why: str
    precision: dict[str, Any] | None


def run(
    spec: ReportStatusSpec, inputs: ReportStatusInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> ReportStatusSummary:
    """Decide the status from `inputs.self_labels` and its summary `inputs.summary`; write `status.json`."""
    rows = tables.read(inputs.self_labels, columns=["p_a", "p_b"])
    n_status_1, n_status_2 = count_statuses(((row["p_a"], row["p_b"]) for row in rows), spec.thresholds)
    status = learning_status(n_status_1, n_status_2, spec.n_min)
    labelled = json.loads(inputs.summary.read_text())
    cut = _cut(spec, inputs, labelled["temperature"]) if spec.select == "calibrated" else None
    rule = PairRule.of_loop(spec.select, status, spec.thresholds, cut.confidence if cut else None)
    report = ReportStatusSummary(
        loop=spec.loop,
        status=status,
        n_pool=labelled["n_pool"],
        n_status_1=n_status_1,
        n_status_2=n_status_2,
        n_min=spec.n_min,
        reward_offset=labelled["reward_offset"],
        thresholds=spec.thresholds.model_dump(include={"tau_high", "tau_low", "tau_delta"}),
        select=spec.select,
        rule=rule.model_dump(),
        ends=rule.converged or labelled["n_pool"] == 0,
        why=cut.reason if cut else _why(spec.select, status, labelled["n_pool"]),
        precision=cut._asdict() if cut else None,
    )
    (out / "status.json").write_text(json.dumps(report.model_dump(), sort_keys=True) + "\n")
    return report


def _why(select: Select, status: str, n_pool: int) -> str:
    if n_pool == 0:
        return "converged: the pool is empty"
    return f"status {status}" if select == "status" else "every pair is kept"


def _cut(spec: ReportStatusSpec, inputs: ReportStatusInputs, temperature: float) -> Cut:
    """The cut of confidence that keeps the promise; the calibration pairs are as sure as at the pool's `temperature`.

    The model that labelled has a temperature of its own, which under `temperature = seed` is another one.
    """
    if inputs.calibration is None or inputs.alike is None or inputs.seed is None or spec.min_precision is None:
        raise ValueError("select = calibrated reads calibration pairs and a promise")
    pool = np.fromiter((row["confidence"] for row in tables.read(inputs.self_labels, ["confidence"])), dtype=float)
    scored = {row["pair_id"]: row["margin"] for row in tables.read(inputs.alike)}
    tied = tables.groups(inputs.calibration)
    seed = tables.margins(inputs.seed, "calibration").values()
    promised = promised_precision(spec.min_precision, float(np.mean([margin > 0 for margin in seed])))
    return calibrated_cut(
        np.array([confidence(margin, temperature) for margin in scored.values()]),
        np.array([margin > 0 for margin in scored.values()]),
        [tied[pair_id] for pair_id in scored],
        pool,
        promised,
        spec.n_min,
    )
