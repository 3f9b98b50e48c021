"""An ensemble is the mean of scaled members, and one member is itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.ensemble import by_unseen_member, combine
from ser.specs import Scale

ONE = np.array([[3.0, 1.0], [0.0, 4.0], [2.0, 2.0]])
OTHER = np.array([[0.1, 0.0], [0.2, 0.1], [-0.3, 0.0]])
SCALES = [Scale(offset=1.0, temperature=2.0), Scale(offset=0.05, temperature=0.1)]


def test_one_member_is_left_as_it_is() -> None:
    rewards, spread = combine([ONE], SCALES[:1])
    assert rewards is ONE and spread is None


def test_the_mean_and_the_spread_by_hand() -> None:
    rewards, spread = combine([ONE, OTHER], SCALES)
    assert rewards[0].tolist() == pytest.approx([(1.0 + 0.5) / 2, (0.0 - 0.5) / 2])
    # The margins of the first pair are 2 / 2 and 0.1 / 0.1, of the second -4 / 2 and 0.1 / 0.1.
    assert spread is not None and spread.tolist() == pytest.approx([0.0, 3 / 2**0.5, 3 / 2**0.5])


@given(offset=st.floats(-100, 100), factor=st.floats(0.01, 100))
def test_the_scale_of_a_member_does_not_matter(offset: float, factor: float) -> None:
    first = SCALES[0]
    moved = [Scale(offset=first.offset * factor + offset, temperature=first.temperature * factor), SCALES[1]]
    before, after = combine([ONE, OTHER], SCALES), combine([ONE * factor + offset, OTHER], moved)
    assert after.rewards == pytest.approx(before.rewards, abs=1e-7)
    assert after.spread == pytest.approx(before.spread, abs=1e-7)


def test_a_pair_is_labelled_by_the_member_of_its_fold_alone() -> None:
    folds = np.array([1, 0, 1])
    own = np.stack([ONE, OTHER])[folds, [0, 1, 2]]
    rewards, spread = by_unseen_member(own, SCALES, folds)
    assert spread is None
    assert rewards == pytest.approx(np.array([[0.5, -0.5], [-0.5, 1.5], [-3.5, -0.5]]))
