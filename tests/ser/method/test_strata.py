"""Strata of the pool are kept at one share each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.selection import PairRule, select_pair
from ser.method.strata import cuts_of, length_stratum, rank_within
from ser.specs import Thresholds

POOL = st.lists(st.tuples(st.floats(0.5, 1.0), st.sampled_from(["longer", "alike"])), min_size=1, max_size=60)


RATIOS = [(130, 100, "longer"), (100, 130, "shorter"), (110, 100, "alike"), (0, 0, "alike")]


@pytest.mark.parametrize(("preferred", "other", "stratum"), RATIOS)
def test_a_label_is_longer_shorter_or_alike(preferred: int, other: int, stratum: str):
    assert length_stratum("x" * preferred, "x" * other) == stratum


@given(POOL)
def test_the_surest_of_each_stratum_come_first(pool: list[tuple[float, str]]):
    sure, strata = (np.array(column) for column in zip(*pool, strict=True))
    ranks = rank_within(sure, strata)
    for name in set(strata):
        here = strata == name
        assert sorted(ranks[here]) == pytest.approx([(k + 1) / here.sum() for k in range(here.sum())])
        assert (np.diff(sure[here][np.argsort(ranks[here])]) <= 0).all()


@given(st.lists(st.sampled_from(["longer", "alike"]), min_size=4, max_size=60), st.floats(0.1, 0.9))
def test_the_cuts_keep_what_was_to_be_kept(strata: list[str], share: float):
    sure = np.linspace(0.5, 0.99, len(strata))
    kept = rank_within(sure, strata) <= share
    cuts = cuts_of(sure, strata, kept)
    rule = PairRule.of_loop("calibrated", "1", Thresholds(), 0.5, cuts)
    chosen = [
        select_pair(rule.within(name), "soft", 0.5, 0.5, float(one), "a").kept
        for name, one in zip(strata, sure, strict=True)
    ]
    assert chosen == kept.tolist()
