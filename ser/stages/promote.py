"""Stage: choose the reward model that a run promotes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ser.data import tables
from ser.method.calibration import cross_fitted_log_loss
from ser.method.gate import describe_gate
from ser.method.promotion import promote
from ser.method.stats import share
from ser.progress import Progress
from ser.stages.specs import PromoteSpec


def run(spec: PromoteSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `promotion.json` from `inputs["heldout"]`, the scores of the seed RM and of every loop's RM.

    `inputs["calibration"]` (labelled table) says which of the pairs belong together.
    """
    scored = [tables.margins(path, "calibration") for path in inputs["heldout"]]
    tied = tables.groups(inputs["calibration"])
    groups = [tied[pair_id] for pair_id in scored[0]]
    candidates = [
        {
            "loop": loop,
            "rm_version": version,
            "correct": [margin > 0 for margin in margins.values()],
            "log_loss": cross_fitted_log_loss(list(margins.values()), groups),
        }
        for loop, version, margins in zip(spec.loops, spec.rm_versions, scored, strict=True)
    ]
    gate = describe_gate(share([float(margin > 0) for margin in scored[0].values()], groups), spec.seed)
    summary = promote(candidates, groups, gate, spec.rule, anyway=spec.anyway) | {
        "gate": gate.model_dump(),
        "candidates": [_measured(one, groups) for one in candidates],
    }
    (out / "promotion.json").write_text(json.dumps(summary, sort_keys=True) + "\n")
    return summary


def _measured(candidate: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    measured = share(candidate["correct"], groups)
    return {
        "loop": candidate["loop"],
        "rm_version": candidate["rm_version"],
        "accuracy": measured["value"],
        "ci_low": measured["ci_low"],
        "ci_high": measured["ci_high"],
        "n": measured["n"],
        "log_loss": fmean(candidate["log_loss"]),
    }
