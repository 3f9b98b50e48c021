"""Which reward model of a run is promoted, and on what evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

from ser.stats import gain


def promote(candidates: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> dict[str, Any]:
    """The promoted candidate and why, from calibration pairs only (the test set is for reporting).

    Args:
        candidates: in the order of their loops, the seed first; each has `loop`, `rm_version` and `correct`
            (a list of booleans over the same calibration pairs in the same order).
        groups: what ties each of these pairs to others (`ser.tables.groups`).

    A loop's model takes over when it ranks more calibration pairs as people do than the best before it; on equal
    accuracy the earlier, cheaper model stays. The interval of the gain is that of the best of all loops (Bonferroni).
    """
    best = candidates[0]
    for candidate in candidates[1:]:
        if sum(candidate["correct"]) > sum(best["correct"]):
            best = candidate
    return {
        "promoted_loop": best["loop"],
        "rm_version": best["rm_version"],
        "why": _why(candidates[0], best, groups, len(candidates) - 1),
    }


def _why(seed: Mapping[str, Any], best: Mapping[str, Any], groups: Sequence[str], loops: int) -> str:
    n = len(seed["correct"])
    share = sum(best["correct"]) / n
    if best is seed:
        tried = f"none of {loops} loops ranks more of them" if loops else "no loop was run"
        return f"seed RM: {share:.1%} of {n} calibration pairs; {tried}"
    points, low, high = gain(seed["correct"], best["correct"], groups, level=1 - 0.05 / loops)
    sure = "outside" if low > 0 else "inside"
    return (
        f"loop {best['loop']}: {share:.1%} of {n} calibration pairs, {points * 100:+.1f} points against the seed RM "
        f"(95 % interval for the best of {loops}: {low * 100:+.1f} to {high * 100:+.1f}; no change lies {sure} it)"
    )
