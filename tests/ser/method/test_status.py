"""Status and filter, by the published rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.status import count_statuses, filter_pair, learning_status, meets_status_1, meets_status_2
from ser.specs import Thresholds

LIMITS = Thresholds()
P = st.floats(0.001, 0.999)


def test_statuses_are_counted_by_their_rules() -> None:
    pairs = [(0.56, 0.44), (0.44, 0.56), (0.55, 0.44), (0.56, 0.45), (0.9, 0.59), (0.95, 0.6), (0.6, 0.2)]
    assert [meets_status_1(*pair, LIMITS) for pair in pairs] == [True, True, False, False, False, False, True]
    assert [meets_status_2(*pair, LIMITS) for pair in pairs] == [False, False, False, False, True, True, True]
    assert count_statuses(pairs, LIMITS) == (3, 3)


@pytest.mark.parametrize(
    ("one", "two", "status"), [(20, 0, "1"), (20, 99, "1"), (19, 20, "2"), (19, 19, "converged"), (0, 0, "converged")]
)
def test_one_status_for_the_whole_pool(one: int, two: int, status: str) -> None:
    assert learning_status(one, two, n_min=20) == status


@given(p_a=P, p_b=P)
def test_the_filter_does_not_care_which_response_is_a(p_a: float, p_b: float) -> None:
    for status in ("1", "2", "converged"):
        assert filter_pair(status, p_a, p_b, LIMITS) == filter_pair(status, p_b, p_a, LIMITS)


@given(p_a=P, p_b=P)
def test_the_filter_keeps_what_meets_the_rule_of_the_status(p_a: float, p_b: float) -> None:
    assert filter_pair("1", p_a, p_b, LIMITS)[:2] == (
        (True, "status_1") if meets_status_1(p_a, p_b, LIMITS) else (False, "none")
    )
    assert filter_pair("2", p_a, p_b, LIMITS)[0] == meets_status_2(p_a, p_b, LIMITS)
    assert filter_pair("converged", p_a, p_b, LIMITS) == (False, "none", "converged")


def test_the_reason_names_the_numbers_and_the_limits() -> None:
    assert filter_pair("1", 0.61, 0.4, LIMITS)[2] == "p 0.610 and 0.400; needs > 0.55 and < 0.45"
    assert filter_pair("2", 0.9, 0.5, LIMITS)[2] == "|p_a - p_b| 0.400; needs > 0.3"
