"""Stage: choose the reward model that a run promotes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ser import tables
from ser.gate import describe_gate
from ser.progress import Progress
from ser.promotion import promote
from ser.stages.specs import PromoteSpec
from ser.stats import share


def run(spec: PromoteSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `promotion.json` from `inputs["heldout"]`, the scores of the seed RM and of every loop's RM.

    `inputs["calibration"]` (labelled table) says which of the pairs belong together.
    """
    scored = [tables.right(path, "calibration") for path in inputs["heldout"]]
    candidates = [
        {"loop": loop, "rm_version": version, "correct": list(correct.values())}
        for loop, version, correct in zip(spec.loops, spec.rm_versions, scored, strict=True)
    ]
    tied = tables.groups(inputs["calibration"])
    groups = [tied[pair_id] for pair_id in scored[0]]
    gate = describe_gate(share(list(scored[0].values()), groups), spec.seed)
    summary = promote(candidates, groups, gate, anyway=spec.anyway) | {
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
    }
