"""Which reward model of a run is promoted, and on what evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

from ser.specs import Gate
from ser.stats import gain

GATE_NOT_SHOWN = "gate_not_shown"
"""The verdict on a run whose seed RM is not shown to be better than a coin, so that no loop was run."""


def promote(
    candidates: Sequence[Mapping[str, Any]], groups: Sequence[str], gate: Gate, *, anyway: bool = False
) -> dict[str, Any]:
    """The promoted candidate, why, and the verdict, from calibration pairs only (the test set is for reporting).

    Args:
        candidates: in the order of their loops, the seed first; each has `loop`, `rm_version` and `correct`
            (a list of booleans over the same calibration pairs in the same order).
        groups: what ties each of these pairs to others (`ser.tables.groups`).
        gate: of the seed RM.
        anyway: whether the run went on in spite of it.

    A loop's model takes over when it ranks more calibration pairs as people do than the best before it; on equal
    accuracy the earlier, cheaper model stays. The interval of the gain is that of the best of all loops (Bonferroni).
    The verdict is `shown` if no change lies outside that interval, below it; else `not_shown`, or `gate_not_shown`.
    """
    seed, best = candidates[0], candidates[0]
    for candidate in candidates[1:]:
        if sum(candidate["correct"]) > sum(best["correct"]):
            best = candidate
    if not gate.shown and not anyway:
        verdict, why = GATE_NOT_SHOWN, f"no loop was run: the seed RM is {gate.words}"
    elif best is seed:
        verdict, why = "not_shown", _why_seed(seed, len(candidates) - 1)
    else:
        verdict, why = _compare(seed, best, groups, len(candidates) - 1)
    if anyway and not gate.shown:
        why = f"{why}; loops were run although the seed RM is {gate.words}"
    return {"promoted_loop": best["loop"], "rm_version": best["rm_version"], "verdict": verdict, "why": why}


def _why_seed(seed: Mapping[str, Any], loops: int) -> str:
    n = len(seed["correct"])
    tried = f"none of {loops} loops ranks more of them" if loops else "no loop was run"
    return f"seed RM: {sum(seed['correct']) / n:.1%} of {n} calibration pairs; {tried}"


def _compare(seed: Mapping[str, Any], best: Mapping[str, Any], groups: Sequence[str], loops: int) -> tuple[str, str]:
    """The verdict on the best loop, and why it is promoted."""
    n = len(seed["correct"])
    points, low, high = gain(seed["correct"], best["correct"], groups, level=1 - 0.05 / loops)
    sure = "outside" if low > 0 else "inside"
    return "shown" if low > 0 else "not_shown", (
        f"loop {best['loop']}: {sum(best['correct']) / n:.1%} of {n} calibration pairs, {points * 100:+.1f} points "
        f"against the seed RM (95 % interval for the best of {loops}: {low * 100:+.1f} to {high * 100:+.1f}; no change "
        f"lies {sure} it)"
    )
