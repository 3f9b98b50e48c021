"""The intervals, against published values and at their edges."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.stats import design_effect, gain, needed_above_half, share, wilson


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe (1998), table I: 81/263, 15/148, 0/20 and 1/29.
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_at_its_edges() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    narrow, wide = wilson(50, 100, 0.8), wilson(50, 100, 0.99)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]
    low, high = wilson(30, 100)
    assert wilson(70, 100) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="impossible"):
        wilson(successes, n)


def test_an_impossible_level_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=1.0)


def alone(n: int) -> list[str]:
    """`n` values of which none is tied to another."""
    return [str(k) for k in range(n)]


def test_a_share_is_what_summaries_store() -> None:
    assert share([1, 1, 1, 0], alone(4)) == {
        "value": 0.75, "ci_low": wilson(3, 4)[0], "ci_high": wilson(3, 4)[1], "n": 4, "n_effective": 4,
    }  # fmt: skip
    assert share([], []) == {
        "value": None, "ci_low": 0.0, "ci_high": 1.0, "n": 0, "n_effective": 0,
    }  # fmt: skip


def test_the_gain_of_independent_pairs() -> None:
    before, after = [0] * 30 + [1] * 10 + [1] * 160, [1] * 30 + [0] * 10 + [1] * 160
    difference, low, high = gain(before, after, alone(200))
    assert difference == pytest.approx(0.1)
    assert 0 < low < difference < high
    # The adjusted Wald interval by hand: centre 20/202, half width 1.96 sqrt((42/202 - (20/202)^2) / 202).
    assert (low + high) / 2 == pytest.approx(20 / 202)
    assert (high - low) / 2 == pytest.approx(1.959964 * ((42 / 202 - (20 / 202) ** 2) / 202) ** 0.5, rel=1e-6)
    assert gain([], [], []) == (0.0, -1.0, 1.0)
    none, low, high = gain([True] * 50, [True] * 50, alone(50))
    assert none == 0 and low < 0 < high
    with pytest.raises(ValueError, match="shorter"):
        gain([True], [], [])


def test_the_design_effect_by_hand() -> None:
    # Two groups of two and one of one, mean 0.6: sums of residuals 0.8, -0.2 and -0.6, squares 1.2;
    # (0.64 + 0.04 + 0.36) * 3/2 over 1.2 * 5/4.
    assert design_effect([1, 1, 1, 0, 0], ["x", "x", "y", "y", "z"]) == pytest.approx(1.04)
    assert design_effect([1, 0, 1, 1], alone(4)) == 1
    assert design_effect([], []) == 1
    assert design_effect([1, 1, 1, 1], ["x", "x", "y", "y"]) == 2, "no variance: a group is one value"
    assert design_effect([1, 0, 1, 0], ["x"] * 4) == 4, "one group is one value"
    assert design_effect([1, 0, 1, 0], ["x", "x", "y", "y"]) == 1, "groups never add information"


@given(st.lists(st.booleans(), min_size=2, max_size=30), st.integers(2, 5))
def test_copies_of_every_pair_add_nothing_to_the_evidence(values: list[bool], copies: int) -> None:
    n = len(values)
    copied = share(values * copies, alone(n) * copies)
    # The two variances have their own corrections, so the size is not n exactly.
    size = n if len(set(values)) == 1 else (n - 1) * n * copies / (n * copies - 1)
    expected = wilson(sum(values) / n * size, size)
    assert (copied["ci_low"], copied["ci_high"]) == pytest.approx(expected)
    assert (copied["value"], copied["n"]) == (pytest.approx(sum(values) / n), n * copies)


def test_intervals_of_tied_pairs_hold_what_they_promise() -> None:
    """Groups of one to six pairs, half of which share their outcome: a coin's interval misses 1/2 in about 5 %."""
    draw = random.Random(3)
    plain = clustered = 0
    for _ in range(1500):
        values, groups = [], []
        for group in range(60):
            shared = draw.random() < 0.5
            for _ in range(draw.choice([1, 2, 3, 6])):
                values.append(float(shared if draw.random() < 0.7 else draw.random() < 0.5))
                groups.append(str(group))
        low, high = wilson(sum(values), len(values))
        plain += not low <= 0.5 <= high
        measured = share(values, groups)
        clustered += not measured["ci_low"] <= 0.5 <= measured["ci_high"]
    assert plain / 1500 > 0.15
    assert 0.03 < clustered / 1500 < 0.075


@pytest.mark.parametrize("right", [0.55, 0.6, 0.68, 0.75, 0.85])
def test_as_many_pairs_as_are_needed_show_it_in_four_cases_of_five(right: float) -> None:
    n = needed_above_half(right)
    assert n is not None
    draw = random.Random(0)
    shown = sum(wilson(sum(draw.random() < right for _ in range(n)), n)[0] > 0.5 for _ in range(2000))
    assert 0.74 < shown / 2000 < 0.86  # at few pairs the power of a count jumps by several points


@given(st.floats(0.5001, 1), st.floats(0.5001, 1), st.floats(1, 20))
def test_the_better_the_fewer_are_needed(one: float, other: float, effect: float) -> None:
    needed = [needed_above_half(right, effect) for right in sorted((one, other))]
    assert needed[0] is not None and needed[1] is not None
    assert needed[0] >= needed[1] >= 4
    alone = needed_above_half(one)
    assert alone is not None and needed_above_half(one, effect) >= alone  # type: ignore[operator]


@pytest.mark.parametrize("right", [0.0, 0.3, 0.5])
def test_no_number_shows_that_a_coin_is_better_than_a_coin(right: float) -> None:
    assert needed_above_half(right) is None
