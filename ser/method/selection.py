"""Which pairs of the pool are trained on, with which target and weight, and why: the one home of selection.

The learning status of a loop is that of SER (arXiv 2411.00418, section 3.2). What a pair has to meet is the loop's
`PairRule`, and `distance_to_rule` is the only place where it is written down: statuses are counted by it, pairs are
kept by it, and the review queue is sorted by it. The cut of `calibrated` comes from `ser.method.precision`.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np

from ser.data.pairs import keyed_hash
from ser.specs import Select, Spec, Target, Thresholds

Status = Literal["1", "2", "converged"]
Condition = Literal["status_1", "status_2", "calibrated", "all"]
Rule = Literal["status_1", "status_2", "calibrated", "all", "none"]
"""The condition that a kept pair met, or `none` for a pair that stays in the pool."""

_MOST_HUMAN = 4.0
_AT_ONCE = 4096


class PairRule(Spec):
    """What a pair has to meet in one loop. A pair is kept if and only if it does, and the loop has not converged."""

    condition: Condition
    thresholds: Thresholds = Thresholds()
    cut: float = 1.0
    """Under `calibrated`, the confidence that a pair has to exceed."""
    converged: bool = False

    @classmethod
    def of_loop(cls, select: Select, status: Status, thresholds: Thresholds, cut: float | None = None) -> "PairRule":
        """The rule of a loop whose recipe selects by `select`.

        A loop that has converged missed the rule of status 2 last, so that is the rule it is judged by; under
        `calibrated` it has converged when there is no `cut`, and its status decides nothing.
        """
        if select == "status":
            condition: Condition = "status_1" if status == "1" else "status_2"
            return cls(condition=condition, thresholds=thresholds, converged=status == "converged")
        if select == "calibrated":
            return cls(condition="calibrated", cut=1.0 if cut is None else cut, converged=cut is None)
        return cls(condition="all")


class Selection(NamedTuple):
    """What becomes of one pair; `reason` is for people."""

    kept: bool
    rule: Rule
    reason: str
    target: float
    weight: float


def distance_to_rule(rule: PairRule, p_a: Any, p_b: Any, confidence: Any) -> Any:
    """How far pairs are above the cut of a rule: a pair meets it if and only if that is positive.

    - status_1, one response is good and the other bad: min(max(p) - tau_high, tau_low - min(p))
    - status_2, the responses are ranked clearly: |p_a - p_b| - tau_delta
    - calibrated: confidence - cut
    - all: confidence, which is never below a half

    Args:
        rule: of the loop that scored the pairs.
        p_a, p_b, confidence: numbers, or arrays of one shape, which is also that of the result.
    """
    tau = rule.thresholds
    match rule.condition:
        case "status_1":
            return np.minimum(np.maximum(p_a, p_b) - tau.tau_high, tau.tau_low - np.minimum(p_a, p_b))
        case "status_2":
            return np.abs(np.subtract(p_a, p_b)) - tau.tau_delta
        case "calibrated":
            return np.subtract(confidence, rule.cut)
        case "all":
            return np.asarray(confidence)


def count_statuses(probabilities: Iterable[tuple[float, float]], thresholds: Thresholds) -> tuple[int, int]:
    """How many pairs `(p_a, p_b)` meet the rule of status 1, and of status 2; memory does not grow with them."""
    rules = [PairRule(condition=condition, thresholds=thresholds) for condition in ("status_1", "status_2")]
    rest, counts = iter(probabilities), [0, 0]
    while chunk := list(islice(rest, _AT_ONCE)):
        p_a, p_b = np.array(chunk).T
        for place, rule in enumerate(rules):
            counts[place] += int((distance_to_rule(rule, p_a, p_b, p_a) > 0).sum())
    return counts[0], counts[1]


def learning_status(n_status_1: int, n_status_2: int, n_min: int) -> Status:
    """The status of the whole pool: what the RM can tell apart in at least `n_min` pairs."""
    if n_status_1 >= n_min:
        return "1"
    return "2" if n_status_2 >= n_min else "converged"


def select_pair(rule: PairRule, kind: Target, p_a: float, p_b: float, confidence: float, preferred: str) -> Selection:
    """Whether a self-labelled pair is kept, and what is trained on if it is: a weight of 0 if it is not."""
    kept = not rule.converged and bool(distance_to_rule(rule, p_a, p_b, confidence) > 0)
    reason = "converged" if rule.converged else _reason(rule, p_a, p_b, confidence)
    target = pseudo_target(preferred, confidence, kind)
    return Selection(kept, rule.condition if kept else "none", reason, target, float(kept))


def pseudo_target(preferred: str, confidence: float, kind: Target) -> float:
    """The probability that response a is the better one, by a machine's label.

    Soft, it is sigmoid(margin / T) with the margin's sign: the confidence where a is preferred, 1 less it where b is.
    Hard, it is 1 or 0.
    """
    sure = confidence if kind == "soft" else 1.0
    return sure if preferred == "a" else 1.0 - sure


def human_weight(weight_human: float, weight_pseudo: float, human_share: float | None) -> float:
    """How many times each human label counts, from 1 to 4, so that people have `human_share` of all weight at least.

    The m in m H / (m H + P) = share, for weights H of human and P of machine labels.
    """
    if human_share is None or weight_human == 0:
        return 1.0
    wanted = human_share * weight_pseudo / ((1 - human_share) * weight_human)
    return min(max(1.0, wanted), _MOST_HUMAN)


def fold_of(unit: str, folds: int) -> int:
    """The fold of a unit under `label_with = unseen`: teacher f is not trained on the pseudo-labels of fold f."""
    return int(keyed_hash("label fold", "0", unit)[:13], 16) % folds


def _reason(rule: PairRule, p_a: float, p_b: float, confidence: float) -> str:
    tau = rule.thresholds
    match rule.condition:
        case "status_1":
            sides = f"p {max(p_a, p_b):.3f} and {min(p_a, p_b):.3f}"
            return f"{sides}; needs > {tau.tau_high:g} and < {tau.tau_low:g}"
        case "status_2":
            return f"|p_a - p_b| {abs(p_a - p_b):.3f}; needs > {tau.tau_delta:g}"
        case "calibrated":
            return f"confidence {confidence:.4f}; needs > {rule.cut:.4f}"
        case "all":
            return "every pair is kept"
