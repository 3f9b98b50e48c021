"""The intervals of a mean, and of a ratio of means, whose values are tied by test pairs and by draws."""

import functools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from ser.method.clustered import clustered_mean, clustered_ratio

TIED = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=60
)


@given(TIED)
def test_the_mean_is_inside_and_names_mean_nothing(rows: list[tuple[float, int, int]]):
    values, groups, draws = zip(*rows, strict=True)
    found = clustered_mean(values, groups, draws)
    assert found.value == pytest.approx(float(np.mean(values)))
    assert found.low <= found.value <= found.high
    renamed = clustered_mean(values, [f"g{group}" for group in groups], [draw + 10 for draw in draws])
    assert renamed == found


@given(TIED)
def test_with_one_draw_it_is_the_cluster_robust_error_over_groups(rows: list[tuple[float, int, int]]):
    values, groups, _ = zip(*rows, strict=True)
    found = clustered_mean(values, groups, [0] * len(values))
    names = sorted(set(groups))
    if len(names) < 2 or len(set(values)) < 2:
        assert math.isinf(found.high)
        return
    mean = sum(values) / len(values)
    sums = [sum(v - mean for v, g in zip(values, groups, strict=True) if g == name) for name in names]
    error = math.sqrt(len(names) / (len(names) - 1) * sum(one**2 for one in sums)) / len(values)
    assert found.high - found.low >= 2 * 1.959 * error - 1e-9
    assert error == 0 or found.detectable / error == pytest.approx(_shown_by(len(names) - 1), rel=0.03)


@functools.cache
def _shown_by(free: int) -> float:
    """By simulation: how far from 0, in standard errors, a mean has to lie to be shown in 80 % of cases."""
    draw = np.random.default_rng(free)
    noise, errors = draw.normal(size=200_000), np.sqrt(draw.chisquare(free, 200_000) / free)
    return float(np.quantile(student.ppf(0.975, free) * errors - noise, 0.8))


def test_it_holds_as_often_as_it_says_where_draws_and_prompts_differ():
    draw = random.Random(0)
    held = [_covers_zero(draw) for _ in range(120)]
    assert sum(held) / len(held) > 0.9  # 0.95 is meant; its error is 0.02


def _covers_zero(draw: random.Random) -> bool:
    easy = [draw.gauss(0, 0.1) for _ in range(60)]
    values, groups, draws = [], [], []
    for number in range(5):
        shift = draw.gauss(0, 0.05)
        for prompt in draw.sample(range(60), 40):
            for _ in range(2):
                values.append(draw.gauss(0, 0.3) + easy[prompt] + shift)
                groups.append(prompt)
                draws.append(number)
    found = clustered_mean(values, groups, draws)
    return found.low <= 0 <= found.high


@given(TIED)
def test_it_is_never_narrower_than_over_groups_or_over_draws_alone(rows: list[tuple[float, int, int]]):
    values, groups, draws = zip(*rows, strict=True)
    one = ["one"] * len(values)
    if min(len(set(groups)), len(set(draws)), len(set(values))) < 2:
        return
    both = clustered_mean(values, groups, draws)
    for alone in (clustered_mean(values, groups, one), clustered_mean(values, draws, one)):
        assert both.high - both.low >= (alone.high - alone.low) * (1 - 1e-9)


def test_equal_values_say_nothing_of_how_far_they_could_have_been():
    found = clustered_mean([0.0] * 8, [0, 0, 1, 1] * 2, [0] * 4 + [1] * 4)
    assert (found.value, found.low, found.high, found.detectable) == (0.0, -math.inf, math.inf, math.inf)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="a mean needs values"):
        clustered_mean([], [], [])


CHANGES = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.sampled_from([0.0, 1.0, 1.0])), min_size=8)


@given(CHANGES)
def test_a_ratio_has_the_ends_that_fieller_gives(rows: list[tuple[float, float]]):
    above, below = map(list, zip(*rows, strict=True))
    found = clustered_ratio(above, below, range(len(rows)), [0] * len(rows))
    if len(set(below)) < 2 or clustered_mean(below, range(len(rows)), [0] * len(rows)).low <= 0:
        assert found is None
        return
    assert found is not None
    top, bottom = np.mean(above), np.mean(below)
    errors = np.cov(above, below) / len(rows) * student.ppf(0.975, len(rows) - 1) ** 2
    ends = np.roots(
        [bottom**2 - errors[1, 1], 2 * (errors[0, 1] - top * bottom), top**2 - errors[0, 0]]
    )  # (top - r bottom)^2 = the squared reach of its error
    assert found.value == pytest.approx(top / bottom)
    assert [found.low, found.high] == pytest.approx(sorted(ends.real), abs=1e-3)


def test_what_closes_nothing_or_everything_has_that_ratio_for_certain():
    below = [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    for share in (0.0, 1.0):
        found = clustered_ratio([share * value for value in below], below, range(8), [0] * 8)
        assert found == pytest.approx((share, share, share), abs=1e-4)
