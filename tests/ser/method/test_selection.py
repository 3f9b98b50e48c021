"""Status and selection, by the published rule and by the others: one distance decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.selection import (
    PairRule,
    count_statuses,
    distance_to_rule,
    fold_of,
    human_weight,
    learning_status,
    pseudo_target,
    select_pair,
)
from ser.specs import Thresholds

LIMITS = Thresholds()
P = st.floats(0.001, 0.999)
SURE = st.floats(0.5, 1)
STATUS_1, STATUS_2, CONVERGED = (PairRule.of_loop("status", status, LIMITS) for status in ("1", "2", "converged"))
RULES = st.sampled_from(
    [STATUS_1, STATUS_2, CONVERGED, PairRule.of_loop("calibrated", "1", LIMITS, 0.8),
     PairRule.of_loop("calibrated", "1", LIMITS), PairRule.of_loop("all", "converged", LIMITS)]
)  # fmt: skip


def is_kept(rule: PairRule, p_a: float, p_b: float, confidence: float = 0.9) -> bool:
    return select_pair(rule, "hard", p_a, p_b, confidence, "a").kept


def test_statuses_are_counted_by_their_rules() -> None:
    pairs = [(0.56, 0.44), (0.44, 0.56), (0.55, 0.44), (0.56, 0.45), (0.9, 0.59), (0.95, 0.6), (0.6, 0.2)]
    assert [is_kept(STATUS_1, *pair) for pair in pairs] == [True, True, False, False, False, False, True]
    assert [is_kept(STATUS_2, *pair) for pair in pairs] == [False, False, False, False, True, True, True]
    assert count_statuses(pairs, LIMITS) == (3, 3)
    assert count_statuses([], LIMITS) == (0, 0)


@given(st.lists(st.tuples(P, P)))
def test_counts_are_those_of_the_plain_inequalities(pairs: list[tuple[float, float]]) -> None:
    ones = sum(max(pair) > LIMITS.tau_high and min(pair) < LIMITS.tau_low for pair in pairs)
    twos = sum(abs(a - b) > LIMITS.tau_delta for a, b in pairs)
    assert count_statuses(iter(pairs), LIMITS) == (ones, twos)


@pytest.mark.parametrize(
    ("one", "two", "status"), [(20, 0, "1"), (20, 99, "1"), (19, 20, "2"), (19, 19, "converged"), (0, 0, "converged")]
)
def test_one_status_for_the_whole_pool(one: int, two: int, status: str) -> None:
    assert learning_status(one, two, n_min=20) == status


@given(rule=RULES, p_a=P, p_b=P, sure=SURE)
def test_a_pair_is_kept_where_its_distance_is_positive_whichever_response_is_a(
    rule: PairRule, p_a: float, p_b: float, sure: float
) -> None:
    found, turned = select_pair(rule, "soft", p_a, p_b, sure, "a"), select_pair(rule, "soft", p_b, p_a, sure, "b")
    distance = distance_to_rule(rule, np.array([p_a]), np.array([p_b]), np.array([sure]))
    assert found.kept == (distance[0] > 0 and not rule.converged)
    assert (found.rule, found.weight) == ((rule.condition, 1.0) if found.kept else ("none", 0.0))
    assert turned[:3] == found[:3] and turned.target == pytest.approx(1 - found.target)


def test_the_reason_names_the_numbers_and_the_limits() -> None:
    def reason(rule: PairRule, p_a: float, p_b: float) -> str:
        return select_pair(rule, "hard", p_a, p_b, 0.81, "a").reason

    assert reason(STATUS_1, 0.61, 0.4) == "p 0.610 and 0.400; needs > 0.55 and < 0.45"
    assert reason(STATUS_2, 0.9, 0.5) == "|p_a - p_b| 0.400; needs > 0.3"
    assert reason(CONVERGED, 0.9, 0.1) == "converged"
    assert reason(PairRule.of_loop("calibrated", "1", LIMITS, 0.75), 0.9, 0.1) == "confidence 0.8100; needs > 0.7500"
    assert reason(PairRule.of_loop("calibrated", "1", LIMITS), 0.9, 0.1) == "converged"
    assert reason(PairRule.of_loop("all", "1", LIMITS), 0.5, 0.5) == "every pair is kept"


def test_targets_are_certain_or_as_sure_as_the_label() -> None:
    targets = [pseudo_target(preferred, 0.8, kind) for kind in ("hard", "soft") for preferred in "ab"]
    assert targets == pytest.approx([1.0, 0.0, 0.8, 0.2])


@given(human=st.floats(0.1, 1000), pseudo=st.floats(0, 10_000), share=st.floats(0.05, 0.95))
def test_human_labels_get_their_share_or_four_times_their_weight(human: float, pseudo: float, share: float) -> None:
    weight = human_weight(human, pseudo, share)
    reached = weight * human / (weight * human + pseudo)
    assert 1 <= weight <= 4 and (weight == 4 or reached >= share - 1e-9)
    assert weight == 1 or reached <= share + 1e-9  # no more than is needed
    assert human_weight(human, pseudo, None) == human_weight(0, pseudo, share) == 1


def test_folds_are_even_and_stay() -> None:
    groups = [f"group {k}" for k in range(3000)]
    folds = [fold_of(group, 3) for group in groups]
    assert all(900 < folds.count(fold) < 1100 for fold in range(3)) and set(folds) == {0, 1, 2}
    assert folds == [fold_of(group, 3) for group in groups]
    assert [fold_of(f"unit {k}", 3) for k in range(8)] == [1, 0, 0, 0, 0, 0, 2, 2]
