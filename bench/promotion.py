"""How often a loop is called better than the seed, by its true gain and how many calibration pairs there are."""

import random
from typing import Any

from bench.measure import table
from ser.method.promotion import SHOWN, promote
from ser.specs import Gate, PromotionRule

GAINS = (0.0, 0.02, 0.035, 0.05)
PAIRS = (100, 155, 400, 1600)
CHANGED = 0.08
"""Share of the pairs on which the two models disagree, as it was on the sample."""
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
