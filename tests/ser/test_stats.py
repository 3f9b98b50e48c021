"""The intervals, against published values and at their edges."""

import pytest

from ser.stats import paired_counts, paired_difference, proportion, wilson


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


def test_proportion_is_what_summaries_store() -> None:
    assert proportion(3, 4)["value"] == 0.75
    assert (proportion(3, 4)["ci_low"], proportion(3, 4)["ci_high"]) == wilson(3, 4)
    assert proportion(0, 0) == {"value": None, "ci_low": 0.0, "ci_high": 1.0, "n": 0}


def test_paired_counts() -> None:
    assert paired_counts([True, True, False, False], [True, False, True, False]) == (1, 1)
    with pytest.raises(ValueError, match="not pairs"):
        paired_counts([True], [])


def test_paired_difference() -> None:
    difference, low, high = paired_difference(30, 10, 200)
    assert difference == pytest.approx(0.1)
    assert 0 < low < difference < high
    # The adjusted Wald interval by hand: centre 20/202, half width 1.96 sqrt((42/202 - (20/202)^2) / 202).
    assert (low + high) / 2 == pytest.approx(20 / 202)
    assert (high - low) / 2 == pytest.approx(1.959964 * ((42 / 202 - (20 / 202) ** 2) / 202) ** 0.5, rel=1e-6)
    assert paired_difference(0, 0, 0) == (0.0, -1.0, 1.0)
    assert paired_difference(0, 0, 50)[1] < 0 < paired_difference(0, 0, 50)[2]
