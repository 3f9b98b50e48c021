"""How often a loop is called better than the seed, by its true gain and how many calibration pairs there are."""

import random
from typing import Any

import numpy as np

from bench.measure import table
from ser.method.log_loss import CrossFittedLogLoss
from ser.method.promotion import SHOWN, promote
from ser.specs import Gate, PromotionRule

GAINS = (0.0, 0.02, 0.035, 0.05)
PAIRS = (100, 155, 400, 1600)
CHANGED = 0.08
"""Share of the pairs on which the two models disagree, as it was on the sample."""
FEW = ((16, 1), (40, 1), (155, 1), (80, 4))
"""Calibration pairs, and how many of them are tied in a group."""
HEADINGS = ["true gain", *(f"{n:,} pairs" for n in PAIRS)]

_GATE = Gate(shown=True, accuracy=0.8, ci_low=0.7, ci_high=0.9, n=100, needed=None, words="")


def promotion(runs: int) -> str:
    """The share of `runs` simulated evolutions of one loop whose verdict is `shown`."""
    draw = random.Random(0)
    rows = [
        [f"{100 * gain:.1f} points", *(f"{_share_shown(gain, n, runs, draw):.1%}".replace("%", " %") for n in PAIRS)]
        for gain in GAINS
    ]
    return table(rows, HEADINGS)


def statistics(runs: int) -> str:
    """The same by either statistic: of two models that are alike, and of one that sees better than the other.

    A model sees the difference of the two responses under noise of its own, half as large as that difference, or a
    fifth. Labels err in some 9 % of the pairs: few are ranked wrongly, which is the hard case for the log loss.
    """
    draw = np.random.default_rng(0)
    rows = []
    for n, of in FEW:
        shown = [
            [_share_shown_of(n, of, noise, statistic, runs, draw) for noise in (0.5, 0.2)]
            for statistic in ("accuracy", "log_loss")
        ]
        shares = [f"{share:.1%}".replace("%", " %") for pair in shown for share in pair]
        rows.append([f"{n} pairs" + (f" in groups of {of}" if of > 1 else ""), *shares])
    headings = ["", "accuracy: alike", "accuracy: better", "log loss: alike", "log loss: better"]
    return table(rows, headings)


def _share_shown_of(n: int, of: int, noise: float, statistic: Any, runs: int, draw: np.random.Generator) -> float:
    """How often a model under this noise is shown to be better than one under a noise of a half."""
    tied = np.repeat(np.arange(n // of), of)
    groups, rule, shown = [str(k) for k in tied], PromotionRule(statistic=statistic), 0
    for _ in range(runs):
        better = 0.8 * draw.normal(size=n // of)[tied] + 0.6 * draw.normal(size=n)
        label = np.where(draw.random(n) < 1 / (1 + np.exp(-5 * better)), 1, -1)
        margins = [label * (better + one * draw.normal(size=n)) for one in (0.5, noise)]
        models = [
            {"loop": k, "rm_version": "", "correct": list(m > 0), "log_loss": CrossFittedLogLoss(m.tolist(), groups)}
            for k, m in enumerate(margins)
        ]
        shown += promote(models, groups, _GATE, rule)["verdict"] == SHOWN
    return shown / runs


def _share_shown(gain: float, n: int, runs: int, draw: random.Random) -> float:
    groups, rule = [str(k) for k in range(n)], PromotionRule()
    verdicts = [promote(_models(gain, n, draw), groups, _GATE, rule)["verdict"] for _ in range(runs)]
    return verdicts.count(SHOWN) / runs


def _models(gain: float, n: int, draw: random.Random) -> list[dict[str, Any]]:
    """The seed and a loop that differ in a share `CHANGED` of the pairs; the loop gets more right by `gain`."""
    up = (CHANGED + gain) / 2
    kinds = draw.choices(("up", "down", "right", "wrong"), (up, CHANGED - up, 0.7, 0.3 - CHANGED), k=n)
    return [
        {"loop": loop, "rm_version": "", "correct": [kind in (change, "right") for kind in kinds]}
        for loop, change in enumerate(("down", "up"))
    ]
