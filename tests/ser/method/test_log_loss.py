"""The log loss out of sample does not flatter, and its gain has an error of its own."""

import math
import random

import numpy as np
import pytest

from ser.method.calibration import fit_temperature, log_loss
from ser.method.log_loss import CrossFittedLogLoss, log_loss_gain


def test_it_does_not_flatter() -> None:
    draw = random.Random(0)
    margins = [draw.gauss(0.3, 1) for _ in range(60)]
    groups = [str(k // 3) for k in range(60)]
    crossed = CrossFittedLogLoss(margins, groups)
    assert len(crossed.losses) == 60 and crossed.mean > log_loss(margins, fit_temperature(margins))
    # A pair's loss does not depend on its own group's margins but for its own margin.
    other = CrossFittedLogLoss([*margins[:1], 9.0, -9.0, *margins[3:]], groups)
    assert other.losses[0] == pytest.approx(crossed.losses[0], abs=1e-12)
    assert CrossFittedLogLoss([1.0, 2.0], ["g", "g"]).losses == pytest.approx(
        [math.log1p(math.exp(-m / fit_temperature([1.0, 2.0]))) for m in (1.0, 2.0)]
    )


def test_without_a_block_is_as_if_its_pairs_were_not_there() -> None:
    draw = np.random.default_rng(0)
    margins, groups = draw.normal(0.5, 1, 80), [f"{k:02}" for k in range(80)]  # 40 blocks of two groups, 8 a fold
    whole = CrossFittedLogLoss(margins, groups)
    assert len(whole.without) == 40
    kept = [k for k in range(80) if k % 40 != 7]
    folds = np.array([k % 5 for k in kept])
    expected = np.mean([np.logaddexp(0, -margins[k] / fit_temperature(margins[kept][folds != k % 5])) for k in kept])
    assert whole.without[7] == pytest.approx(expected, abs=1e-6)


def test_the_gain_is_that_of_the_means_and_one_group_shows_nothing() -> None:
    draw = np.random.default_rng(1)
    groups = [str(k // 2) for k in range(60)]
    better = draw.normal(1, 0.5, 60)
    worse = better - draw.normal(0.9, 0.5, 60)
    first, second = CrossFittedLogLoss(worse, groups), CrossFittedLogLoss(better, groups)
    found = log_loss_gain(first, second, 0.9)
    assert found.value == pytest.approx(first.mean - second.mean) and 0 < found.low < found.value < found.high
    assert log_loss_gain(second, first, 0.9).high == pytest.approx(-found.low)
    wider = log_loss_gain(first, second, 0.99)
    assert wider.low < found.low and wider.high > found.high
    same = ["g"] * 60
    alone = log_loss_gain(CrossFittedLogLoss(worse, same), CrossFittedLogLoss(better, same), 0.9)
    assert alone.low < 0 < alone.value < alone.high
