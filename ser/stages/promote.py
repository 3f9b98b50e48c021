"""Stage: choose the reward model that a run promotes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.method.gate import SeedData, describe_gate
from ser.method.promotion import overrule, promote
from ser.method.stats import share
from ser.progress import Progress
from ser.specs import HERE, Execution, Gate, HandPromotion, PromotionRule, Spec
from ser.stages.job import Inputs, Summary


class PromoteSpec(Spec):
    """The candidates: the loop and the version of each, in the order of `inputs.heldout`."""

    loops: list[int]
    rm_versions: list[str]
    rule: PromotionRule
    seed: SeedData
    """What the gate's words need to know."""
    anyway: bool
    by_hand: HandPromotion | None = None
    """Of one of the candidates."""


class PromoteInputs(Inputs):
    """The held-out scores of the seed RM and of every loop's RM, and the labelled table that says which pairs belong
    together."""

    heldout: list[Path]
    calibration: Path


class PromoteSummary(Summary):
    """The choice and its evidence (`ser.method.promotion`).

    `gain`, `detectable` and `needed` only where a loop was run; the last three only where a person decided.
    """

    promoted_loop: int
    rm_version: str
    verdict: str
    why: str
    gate: Gate
    candidates: list[dict[str, Any]]
    gain: dict[str, float] | None = None
    detectable: float | None = None
    needed: int | None = None
    promoted_by: str | None = None
    reason: str | None = None
    ruled_loop: int | None = None


def run(
    spec: PromoteSpec, inputs: PromoteInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> PromoteSummary:
    """Write `promotion.json`: what the summary says."""
    candidates, groups = read_candidates(spec, inputs)
    gate = describe_gate(share([float(right) for right in candidates[0]["correct"]], groups), spec.seed)
    decided = promote(candidates, groups, gate, spec.rule, anyway=spec.anyway)
    if spec.by_hand:
        decided = overrule(decided, spec.by_hand, spec.rule)
    summary = PromoteSummary(
        **decided,
        gate=gate,
        candidates=[_measured(one, groups) for one in candidates],
    )
    (out / "promotion.json").write_text(json.dumps(summary.model_dump(exclude_unset=True), sort_keys=True) + "\n")
    return summary


def read_candidates(spec: PromoteSpec, inputs: PromoteInputs) -> tuple[list[dict[str, Any]], list[str]]:
    """What `ser.method.promotion.promote` chooses from, and what ties each calibration pair to others."""
    from ser.method.log_loss import CrossFittedLogLoss

    scored = [tables.margins(path, "calibration") for path in inputs.heldout]
    tied = tables.groups(inputs.calibration)
    groups = [tied[pair_id] for pair_id in scored[0]]
    candidates = [
        {
            "loop": loop,
            "rm_version": version,
            "correct": [margin > 0 for margin in margins.values()],
            "log_loss": CrossFittedLogLoss(list(margins.values()), groups),
        }
        for loop, version, margins in zip(spec.loops, spec.rm_versions, scored, strict=True)
    ]
    return candidates, groups


def _measured(candidate: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    measured = share(candidate["correct"], groups)
    return {
        "loop": candidate["loop"],
        "rm_version": candidate["rm_version"],
        "accuracy": measured["value"],
        "ci_low": measured["ci_low"],
        "ci_high": measured["ci_high"],
        "n": measured["n"],
        "log_loss": candidate["log_loss"].mean,
    }
