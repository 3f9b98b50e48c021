"""Stage: choose the reward model that a run promotes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser import tables
from ser.heldout import correct_margin
from ser.progress import Progress
from ser.promotion import promote
from ser.scoring import Scored
from ser.stages.specs import PromoteSpec
from ser.stats import wilson


def run(spec: PromoteSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `promotion.json` from the held-out scores of the seed RM and of every loop's RM."""
    candidates = [
        {"loop": loop, "rm_version": version, "correct": _correct(path)}
        for loop, version, path in zip(spec.loops, spec.rm_versions, inputs["heldout"], strict=True)
    ]
    summary = promote(candidates) | {"candidates": [_measured(candidate) for candidate in candidates]}
    (out / "promotion.json").write_text(json.dumps(summary, sort_keys=True) + "\n")
    return summary


def _correct(path: Path) -> list[bool]:
    """Whether each calibration pair is ranked as people do, in the order of the pairs."""
    return [
        correct_margin(Scored(row["pair_id"], row["reward_a"], row["reward_b"]), row["preferred"]) > 0
        for row in tables.read(path)
        if row["split"] == "calibration"
    ]


def _measured(candidate: Mapping[str, Any]) -> dict[str, Any]:
    right, n = sum(candidate["correct"]), len(candidate["correct"])
    low, high = wilson(right, n)
    return {
        "loop": candidate["loop"],
        "rm_version": candidate["rm_version"],
        "accuracy": right / n,
        "ci_low": low,
        "ci_high": high,
        "n": n,
    }
