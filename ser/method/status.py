"""The learning status of a loop (SER, arXiv 2411.00418, section 3.2), and the filter that follows from it."""

from collections.abc import Iterable
from typing import Literal

from ser.specs import Thresholds

Status = Literal["1", "2", "converged"]
Rule = Literal["status_1", "status_2", "none"]


def meets_status_1(p_a: float, p_b: float, thresholds: Thresholds) -> bool:
    """One response is good and the other bad: max(p) > tau_high and min(p) < tau_low."""
    return max(p_a, p_b) > thresholds.tau_high and min(p_a, p_b) < thresholds.tau_low


def meets_status_2(p_a: float, p_b: float, thresholds: Thresholds) -> bool:
    """The responses are ranked clearly: |p_a - p_b| > tau_delta."""
    return abs(p_a - p_b) > thresholds.tau_delta


def count_statuses(probabilities: Iterable[tuple[float, float]], thresholds: Thresholds) -> tuple[int, int]:
    """How many pairs `(p_a, p_b)` meet the rule of status 1, and of status 2."""
    n_status_1 = n_status_2 = 0
    for p_a, p_b in probabilities:
        n_status_1 += meets_status_1(p_a, p_b, thresholds)
        n_status_2 += meets_status_2(p_a, p_b, thresholds)
    return n_status_1, n_status_2


def learning_status(n_status_1: int, n_status_2: int, n_min: int) -> Status:
    """The status of the whole pool: what the RM can tell apart in at least `n_min` pairs."""
    if n_status_1 >= n_min:
        return "1"
    return "2" if n_status_2 >= n_min else "converged"


def filter_pair(status: Status, p_a: float, p_b: float, thresholds: Thresholds) -> tuple[bool, Rule, str]:
    """`(kept, rule, reason)` for one pair under the loop's status; the reason is for people."""
    low, high, delta = min(p_a, p_b), max(p_a, p_b), abs(p_a - p_b)
    if status == "1":
        kept = meets_status_1(p_a, p_b, thresholds)
        sides = f"p {high:.3f} and {low:.3f}; needs > {thresholds.tau_high:g} and < {thresholds.tau_low:g}"
        return kept, "status_1" if kept else "none", sides
    if status == "2":
        kept = meets_status_2(p_a, p_b, thresholds)
        return (
            kept,
            "status_2" if kept else "none",
            f"|p_a - p_b| {delta:.3f}; needs > {thresholds.tau_delta:g}",
        )
    return False, "none", "converged"
