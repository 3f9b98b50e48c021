"""The five questions that a reader of the report has, answered from its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from resources.asset_keys import MORE_STEPS_RM
from resources.reporting.checks import checks_of
from resources.reporting.numbers import gain_words, magnitude, number, percent
from resources.reporting.report_data import ReportData, Row
from resources.reporting.words import VERDICTS, name_of_loop
from resources.simulation import NOISE
from ser.method.stats import is_above_chance

Tone = Literal["good", "bad", "open"]
_POINTS = 3
"""Weak points that the first screen has room for."""
_FEW_PAIRS = 500
"""Calibration pairs below which the gains that they cannot show are large enough to be said."""


@dataclass(frozen=True)
class Answer:
    """`headline` answers the question in a few words; `lines` say why, a sentence each, and `rest` what has no room."""

    headline: str
    tone: Tone
    lines: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


def helped(data: ReportData) -> Answer:
    """Whether self-training helped: what the promoted loop, or else the last, gains over the seed on test pairs."""
    headline, tone = verdict_on(data.evolution, trained=bool(data.trained_loops))
    simulated = _ceiling(data)
    if data.promoted is None:
        return Answer(headline, tone, ["No reward model was promoted: the evolution did not come that far."])
    if data.gate_is_closed:
        why = data.promoted["why"]
        return Answer(headline, tone, [f"{why[0].upper()}{why[1:].rstrip('.')}.", *simulated])
    if not data.trained_loops:
        return Answer(headline, tone, ["No loop kept anything to train on.", *_decision(data), *simulated])
    gained = [] if None in data.test_gain else [_gained(data), *_over_longer_training(data)]
    return Answer(headline, tone, [*gained, *_decision(data), *simulated])


def verdict_on(evolution: Row, *, trained: bool) -> tuple[str, Tone]:
    """Whether self-training helped, in a word or two; `trained` is whether any loop trained a reward model."""
    if evolution["promoted_loop"] is None:
        return "NOT FINISHED", "open"
    if not trained:
        return "NO", "bad"
    low, high = evolution["gain_test_low"], evolution["gain_test_high"]
    if low is not None and low > 0:
        return "YES", "good"
    return ("NO", "bad") if high is not None and high < 0 else ("NOT SHOWN", "open")


def _gained(data: ReportData) -> str:
    loop = _told(data)
    row = next(one for one in data.rows["gains"] if one["loop"] == loop)
    gained = gain_words(row["gain"], row["gain_low"], row["gain_high"])
    return (
        f"Loop {loop} gains {gained} over the seed on {number(row['n'])} test pairs: "
        f"{number(row['mended'])} mended, {number(row['broken'])} broken."
    )


def _over_longer_training(data: ReportData) -> Iterator[str]:
    """What the last loop gains over the control that asks whether it is only longer training, where it is measured."""
    for row in data.made_controls:
        if row["control"] == MORE_STEPS_RM and row["loop_gain"] is not None:
            gained = gain_words(row["loop_gain"], row["loop_gain_low"], row["loop_gain_high"])
            more = row["loop_gain_low"] > 0
            said = "more than longer training gives" if more else "not shown to be more than longer training"
            said += f", which itself loses {magnitude(-row['seed_gain'])}" if more and row["seed_gain"] < 0 else ""
            yield f"Over the seed, trained as long, loop {row['loop']} gains {gained}: {said}."


def _told(data: ReportData) -> int:
    """The loop that the answer is about."""
    promoted = data.promoted
    loop: int = (promoted and promoted["loop"]) or data.trained_loops[-1]
    return loop


def _decision(data: ReportData) -> Iterator[str]:
    """What was promoted, and on which figure."""
    about, promoted = data.evolution, data.promoted
    if promoted is None:
        return
    by = f", by {about['promoted_by']}" if about["promoted_by"] else ""
    name = f"{name_of_loop(promoted['loop'])}{by}"
    if about["gain_calibration"] is None:
        yield f"Promoted: {name}."
    else:
        value, low, high = (about[f"gain_calibration{end}"] for end in ("", "_low", "_high"))
        n = data.roles.get("calibration", 0)
        yield (
            f"Promoted: {name}. On {number(n)} calibration pairs, which {_decide(data)}, the last loop is "
            f"{VERDICTS[about['verdict']]}: {gain_words(value, low, high, data.statistic)}, at 90 %."
        )


def _decide(data: ReportData) -> str:
    by_rule = not data.evolution["promoted_by"] and data.evolution["settings"]["promotion"]["rule"] == "evidence"
    return "decide" if by_rule else "did not decide this"


def _ceiling(data: ReportData) -> list[str]:
    if not data.is_simulated:
        return []
    return [
        f"Labels are simulated, {percent(NOISE, 0)} of them wrong on purpose: {percent(1 - NOISE, 0)} is the ceiling."
    ]


def trusted(data: ReportData) -> Answer:
    """Whether the numbers can be trusted: what was checked, what decided nothing, and the weakest points."""
    checks = checks_of(data)
    failed = [check for check in checks if check.seen]
    passed = len(checks) - len(failed)
    vault = sum(1 for row in data.rows["precision"] if row["measured_on"] == "vault")
    apart = f"{number(data.roles.get('test', 0))} test pairs{' and the labels of the vault' if vault else ''}"
    points = [*(f"✗ {_first(check.seen)}" for check in failed), *_weak_points(data)]
    by_hand = data.evolution["promoted_by"]
    aside = f"Whether {by_hand} had seen test pairs nobody knows." if by_hand else f"{apart} decided nothing."
    return Answer(
        f"{passed} of {len(checks)} checks passed" if checks else "nothing is measured yet",
        "open" if failed or not checks else "good",
        [*points[:_POINTS], aside],
        points[_POINTS:],
    )


def _first(seen: list[str]) -> str:
    more = f" (and {len(seen) - 1} more)" if len(seen) > 1 else ""
    return f"{seen[0][0].upper()}{seen[0][1:].rstrip('.')}{more}."


def _weak_points(data: ReportData) -> Iterator[str]:
    n, about = data.roles.get("calibration", 0), data.evolution
    if about["detectable"] is not None and n < _FEW_PAIRS:
        smallest = magnitude(about["detectable"], data.statistic)
        yield f"Only {number(n)} calibration pairs: a true gain of {smallest} would be missed one time in five."
    if (bin_ := _worst_bin(data)) is not None:
        sure = f"{percent(bin_['confidence_from'], 0)[:-2]} to {percent(bin_['confidence_to'], 0)}"
        yield f"{sure} sure: {percent(bin_['accuracy'], 0)} right ({number(bin_['n'])} test pairs)."
    if data.trained_loops and not any("more_steps" in row["control"] for row in data.made_controls):
        yield "No control says whether it is only longer training."
    if len({row["random_seed"] for row in data.rows["trend"]}) < 2:
        yield "One random seed: another may end elsewhere."


def _worst_bin(data: ReportData) -> Row | None:
    """Where the last model is more sure than it is right, beyond chance."""
    last = max(data.trained_loops, default=0)
    rows = [row for row in data.watch.reliability if row["loop"] == last and row["split"] == "test"]
    over = [row for row in rows if row["confidence"] > row["ci_high"]]
    return max(over, key=lambda row: row["n"] * (row["confidence"] - row["accuracy"]), default=None)


def labelled(data: ReportData) -> Answer:
    """What the machine's labels are worth."""
    [counts] = data.rows["labels"]
    if not counts["n"]:
        return Answer("none", "open", ["No loop has labelled the pool."])
    kept, known, wrong = counts["kept"], counts["known"], counts["wrong"]
    pool = data.statuses[0]["n_pool"] if data.statuses else counts["n"]
    headline = f"{number(kept)} of {number(pool)} kept"
    if not kept:
        return Answer(headline, "open", ["No loop kept a label."])
    if known:
        right = percent(1 - wrong / known)
        return Answer(headline, _tone_of_labels(data), [f"{right} of those that can be checked are right."])
    estimated = [row for row in data.loops if row["label_precision"] is not None]
    lines = (
        [f"About {percent(estimated[0]['label_precision'])} of loop 1's are right, by held-out pairs."]
        if estimated
        else []
    )
    return Answer(headline, "open", ["No human label of them is known.", *lines])


def _tone_of_labels(data: ReportData) -> Tone:
    """Good where the kept labels of every loop are shown to be better than a coin; bad where more are wrong."""
    [counts] = data.rows["labels"]
    if 2 * counts["wrong"] > counts["known"]:
        return "bad"
    lows = [row["label_ci_low"] for row in data.loops if row["label_ci_low"] is not None]
    return "good" if lows and all(map(is_above_chance, lows)) else "open"


def policy_answer(data: ReportData) -> Answer | None:
    """How the policy does against its base model; None where none was judged."""
    metrics = data.policy["metrics"] if data.policy else {}
    rate, judge = metrics.get("win_rate"), metrics.get("judge_accuracy")
    if rate is None or rate["value"] is None:
        return None
    low, high = rate["ci_low"], rate["ci_high"]
    said, tone = (
        ("better", "good") if low > 0.5 else ("worse", "bad") if high < 0.5 else ("no difference shown", "open")
    )
    lines = [f"Win rate against the base model {percent(low)} to {percent(high)}, {number(rate['n'])} prompts."]
    lines += [f"Its judge is right on {percent(judge['value'])} of pairs."] if judge else []
    return Answer(f"{percent(rate['value'])}: {said}", tone, lines)  # type: ignore[arg-type]
