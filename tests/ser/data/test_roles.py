"""The shares of the draw: a pure function of how much is labelled and of the settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ser.data.roles import Labelled, decide_fractions, draw_unit
from ser.specs import Roles


def labelled(drawn: int, unlabelled: int = 0, asked_test: int = 0, asked_train: int = 0) -> Labelled:
    known = drawn + asked_train + asked_test
    return Labelled(known + unlabelled, known, drawn, asked_train, asked_test)


@pytest.mark.parametrize(("labels", "calibration"), [(100, 0.25), (298, 0.25), (500, 0.2), (1000, 0.1), (90_000, 0.1)])
def test_small_sets_calibrate_with_more_of_their_labels(labels: int, calibration: float) -> None:
    fractions = decide_fractions(Roles(), labelled(labels, unlabelled=labels))
    assert (fractions.test, fractions.calibration) == (0.25, calibration)


def test_every_training_label_is_seed_as_soon_as_there_is_a_real_pool() -> None:
    assert decide_fractions(Roles(), labelled(900, unlabelled=99)).seed == 0.15
    real = decide_fractions(Roles(), labelled(900, unlabelled=100))
    assert (real.seed, real.simulated) == (1.0, False)
    assert decide_fractions(Roles(seed_fraction=0.4), labelled(900, unlabelled=5000)).seed == 0.4


def test_a_small_simulation_has_a_seed_that_can_be_trained_on() -> None:
    fractions = decide_fractions(Roles(), labelled(100))
    assert fractions.seed * 100 * (1 - fractions.test - fractions.calibration) == pytest.approx(25)
    assert decide_fractions(Roles(), labelled(200)).seed == pytest.approx(0.28)
    assert decide_fractions(Roles(), labelled(400)).seed == 0.15
    assert decide_fractions(Roles(), labelled(40, asked_train=1000)).seed == 0.15


@given(
    st.builds(labelled, *(st.integers(0, 5000) for _ in range(4))),
    st.builds(Roles, test_fraction=st.none() | st.floats(0, 0.9), fold=st.none())
    | st.builds(Roles, fold=st.sampled_from(["0/2", "1/2", "4/5"])),
)
def test_the_shares_leave_no_room_below_nothing(about: Labelled, roles: Roles) -> None:
    fractions = decide_fractions(roles, about)
    assert 0 <= fractions.test <= 1 and 0 <= fractions.calibration <= 1 and 0 < fractions.seed <= 1
    assert fractions.test + fractions.calibration <= 1


def test_a_draw_is_even_and_another_number_draws_anew() -> None:
    draws = [draw_unit(f"unit {i}", 0) for i in range(4000)]
    assert draws == [draw_unit(f"unit {i}", 0) for i in range(4000)]
    assert sum(draw < 0.25 for draw in draws) / 4000 == pytest.approx(0.25, abs=0.03)
    both = sum(draw_unit(f"unit {i}", 1) < 0.25 and draws[i] < 0.25 for i in range(4000))
    assert both / 4000 == pytest.approx(1 / 16, abs=0.02)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fold": "3/3"}, "from 0 to n - 1"),
        ({"fold": "0/1"}, "at least 2"),
        ({"fold": "one"}, "pattern"),
        ({"fold": "0/4", "test_fraction": 0.2}, "contradict"),
        ({"fold": "0/2", "calibration_fraction": 0.6}, "nothing to train on"),
        ({"test_fraction": 0.6, "calibration_fraction": 0.5}, "nothing to train on"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Roles(**values)
