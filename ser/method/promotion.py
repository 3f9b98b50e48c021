"""Which reward model of a run is promoted, and on what evidence: calibration pairs only, the test set reports."""

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import NormalDist
from typing import Any

from ser.method.log_loss import log_loss_gain
from ser.method.stats import Gain, gain, z_value
from ser.specs import Gate, HandPromotion, PromotionRule

GATE_NOT_SHOWN = "gate_not_shown"
"""The verdict on a run whose seed RM is not shown to be better than a coin, so that no loop was run."""
SHOWN, NOT_SHOWN, WORSE = "shown", "not_shown", "worse"

ERROR = 0.05
"""How often a loop that is no better than the seed may be called better: a one-sided test."""
POWER = 0.8
MEANT = 0.02
"""The gain, in share of pairs, of which it is said how many calibration pairs would show it."""

Candidate = Mapping[str, Any]
"""`loop`, `rm_version`, `correct` (booleans) and, for the log loss, `log_loss` (`CrossFittedLogLoss`), over the same
pairs in one order."""


def promote(
    candidates: Sequence[Candidate], groups: Sequence[str], gate: Gate, rule: PromotionRule, *, anyway: bool = False
) -> dict[str, Any]:
    """The promoted candidate, why, the verdict on the last loop, and how much this set of pairs could have shown.

    The last loop is compared with the seed first, and only if it is better are earlier loops compared with it, at
    Bonferroni's level: a fixed sequence (Maurer, Hothorn and Lehmacher, 1995), so that K costs the main question
    nothing.

    Args:
        candidates: in the order of their loops, the seed first.
        groups: what ties each of the pairs to others (`ser.data.tables.groups`).
        gate: of the seed RM.
        rule: which statistic decides, and what is promoted on it.
        anyway: whether the run went on in spite of the gate.

    Returns:
        `promoted_loop`, `rm_version`, `verdict` (`shown`, `not_shown`, `worse` or `gate_not_shown`), `why`, and, where
        a loop was run, `gain` (value, low, high), `detectable` (the smallest gain that would have been shown with 80 %
        power) and `needed` (calibration pairs that 2 points of accuracy would need).
    """
    seed, *loops = candidates
    if not gate.shown and not anyway:
        return _decided(seed, GATE_NOT_SHOWN, f"no loop was run: the seed RM is {gate.words}")
    if not loops:
        return _decided(seed, NOT_SHOWN, f"{_measured(seed)}; no loop trained a model")
    last = loops[-1]
    found = _compare(seed, last, groups, rule, ERROR)
    verdict = SHOWN if found.low > 0 else WORSE if found.high < 0 else NOT_SHOWN
    chosen = _choose(rule, verdict, candidates, groups)
    why = _why(chosen, last, verdict, found, rule)
    if rule.rule != "evidence":  # what was shown is then not what decided
        why = f"{_by(rule)}{why}"
    if not gate.shown:
        why = f"{why}; loops were run although the seed RM is {gate.words}"
    detectable = smallest_shown(found)
    said = {"gain": {"value": found.value, "low": found.low, "high": found.high}, "detectable": detectable}
    return (
        _decided(chosen, verdict, why)
        | said
        | {"needed": needed_pairs(accuracy_gain(seed["correct"], last["correct"], groups), len(groups))}
    )


def overrule(decided: Mapping[str, Any], hand: HandPromotion, rule: PromotionRule) -> dict[str, Any]:
    """What was decided by `rule`, with the reward model that a person promotes instead; the evidence stays.

    Returns:
        as `promote`, and `promoted_by`, `reason`, and `ruled_loop`, which the rule would have promoted.
    """
    ruled = decided["why"].removeprefix(_by(rule))
    why = f"promoted by hand by {hand.by}: {hand.why.rstrip('.')}; {_by(rule)}{ruled}"
    return {
        **decided,
        "promoted_loop": hand.loop,
        "rm_version": hand.rm_version,
        "why": why,
        "promoted_by": hand.by,
        "reason": hand.why,
        "ruled_loop": decided["promoted_loop"],
    }


def smallest_shown(found: Gain) -> float:
    """The true gain that a comparison with this interval (of level 1 - 2 `ERROR`) shows with probability `POWER`.

    By the normal approximation, from the standard error that the interval was made with.
    """
    standard_error = (found.high - found.low) / 2 / z_value(1 - 2 * ERROR)
    return (NormalDist().inv_cdf(1 - ERROR) + NormalDist().inv_cdf(POWER)) * standard_error


def accuracy_gain(before: Sequence[bool], after: Sequence[bool], groups: Sequence[str]) -> Gain:
    """What `after` gains in accuracy; either end of the interval is a one-sided test of size `ERROR`."""
    return gain(before, after, groups, level=1 - 2 * ERROR)


def needed_pairs(found: Gain, pairs: int) -> int:
    """Calibration pairs of the kind of these `pairs` that would show a gain of `MEANT` with 80 % power."""
    return ceil(pairs * (smallest_shown(found) / MEANT) ** 2)


def _choose(rule: PromotionRule, verdict: str, candidates: Sequence[Candidate], groups: Sequence[str]) -> Candidate:
    seed, last = candidates[0], candidates[-1]
    if rule.rule == "last":
        return last
    if rule.rule == "best":  # on equal terms the earlier, cheaper model stays
        return max(candidates, key=lambda one: (_worth(one, rule), -one["loop"]))
    if rule.rule == "not_worse":
        return seed if verdict == WORSE else last
    if verdict != SHOWN:
        return seed
    earlier = candidates[1:-1]
    gains = [(_compare(last, one, groups, rule, ERROR / len(earlier)), one) for one in earlier]
    better = [(found.value, -one["loop"], one) for found, one in gains if found.low > 0]
    return max(better, key=lambda each: each[:2])[2] if better else last


def _compare(before: Candidate, after: Candidate, groups: Sequence[str], rule: PromotionRule, error: float) -> Gain:
    """What `after` gains; its interval has the level at which its lower end is a one-sided test of size `error`."""
    level = 1 - 2 * error
    if rule.statistic == "accuracy":
        return gain(before["correct"], after["correct"], groups, level)
    return log_loss_gain(before["log_loss"], after["log_loss"], level)


def _worth(candidate: Candidate, rule: PromotionRule) -> float:
    """The higher the better."""
    return sum(candidate["correct"]) if rule.statistic == "accuracy" else -candidate["log_loss"].mean


def _by(rule: PromotionRule) -> str:
    return f"by promotion.rule {rule.rule}: "


def _measured(candidate: Candidate) -> str:
    n, right = len(candidate["correct"]), sum(candidate["correct"])
    name = "the seed RM" if candidate["loop"] == 0 else f"loop {candidate['loop']}"
    return f"{name} ranks {right / n:.1%} of {n} calibration pairs as people do".replace("%", " %")


def _why(chosen: Candidate, last: Candidate, verdict: str, found: Gain, rule: PromotionRule) -> str:
    scale, unit = (100, "points") if rule.statistic == "accuracy" else (1, "nat of log loss")
    digits = 1 if rule.statistic == "accuracy" else 3
    told = {SHOWN: "shown to be better", NOT_SHOWN: "not shown to be better", WORSE: "shown to be worse"}[verdict]
    change = (
        f"{_measured(last)}, {scale * found.value:+.{digits}f} {unit} against the seed RM (90 % interval "
        f"{scale * found.low:+.{digits}f} to {scale * found.high:+.{digits}f}), {told}; these pairs show a gain of "
        f"{scale * smallest_shown(found):.{digits}f} with 80 % power"
    )
    if chosen is last:
        return change
    name = "accuracy" if rule.statistic == "accuracy" else "log loss"
    best = f"the {'highest' if name == 'accuracy' else 'lowest'} {name} of all; "
    earlier = f"{_measured(chosen)}, " + (f"shown to be better still in {name}; " if rule.rule == "evidence" else best)
    return f"the seed RM stays; {change}" if chosen["loop"] == 0 else f"{earlier}{change}"


def _decided(chosen: Candidate, verdict: str, why: str) -> dict[str, Any]:
    return {"promoted_loop": chosen["loop"], "rm_version": chosen["rm_version"], "verdict": verdict, "why": why}
