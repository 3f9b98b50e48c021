"""Temperature, confidence and calibration error against numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.calibration import (
    confidence,
    cross_fitted_temperatures,
    expected_calibration_error,
    fit_temperature,
    fit_temperatures,
    log_loss,
    sigmoid,
)


@given(st.floats(-800, 800))
def test_sigmoid_is_symmetric_and_never_overflows(x: float) -> None:
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)


def test_log_loss_by_hand() -> None:
    assert log_loss([0.0]) == pytest.approx(math.log(2))
    assert log_loss([2.0, -2.0], temperature=2.0) == pytest.approx(
        (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    )


def test_the_temperature_that_made_the_labels_is_found() -> None:
    draw = np.random.default_rng(0)
    margins = draw.normal(0, 4, 20_000)
    right = draw.random(20_000) < 1 / (1 + np.exp(-np.abs(margins) / 2.5))
    correct = np.where(right, np.abs(margins), -np.abs(margins))
    assert fit_temperature(correct) == pytest.approx(2.5, rel=0.05)


def test_three_right_of_four_equal_margins_by_hand() -> None:
    # A smoothed label is right for 5/6, so 3/4 * 5/6 + 1/4 * 1/6 = 2/3 of all: the best T makes sigmoid(1 / T) that.
    assert fit_temperature([1.0, 1.0, 1.0, -1.0]) == pytest.approx(1 / math.log(2), rel=1e-3)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_a_model_that_is_right_of_few_pairs_is_not_sure_of_everything(scale: float) -> None:
    temperature = fit_temperature([scale] * 16)
    assert confidence(scale, temperature) == pytest.approx(17 / 18, rel=1e-3)


def test_a_model_at_chance_is_sure_of_nothing() -> None:
    temperature = fit_temperature([1.0, -1.0, 1.0, -1.0, -1.0])
    assert confidence(1.0, temperature) == pytest.approx(0.5, abs=0.01)


def test_calibration_error_by_hand() -> None:
    # Confidence sigmoid(log 3) = 0.75 for all four, three right: no error; none right: 0.75.
    margin = math.log(3)
    assert expected_calibration_error([margin, margin, margin, -margin], 1.0) == pytest.approx(0.0, abs=1e-9)
    assert expected_calibration_error([-margin] * 4, 1.0) == pytest.approx(0.75)


def test_temperatures_under_weights_are_those_of_repeated_pairs() -> None:
    draw = np.random.default_rng(0)
    margins = draw.normal(0.5, 1, 30)
    weights = draw.integers(0, 3, (4, 30)).astype(float)
    found = fit_temperatures(margins, weights)
    for temperature, row in zip(found, weights, strict=True):
        assert temperature == pytest.approx(fit_temperature(np.repeat(margins, row.astype(int))), rel=1e-5)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_no_other_temperature_within_its_bounds_has_a_lower_smoothed_loss(margins: list[float]) -> None:
    n, scale = len(margins), float(np.abs(margins).mean()) or 1.0
    right = (n + 1) / (n + 2)

    def loss(temperature: float) -> float:
        return right * log_loss(margins, temperature) + (1 - right) * log_loss(np.negative(margins), temperature)

    found = fit_temperature(margins)
    assert scale / 100.01 <= found <= scale * 100.01
    for other in np.geomspace(scale / 100, scale * 100, 60):
        assert loss(found) <= loss(float(other)) + 1e-7


def test_a_cross_fitted_temperature_has_not_seen_its_own_fold() -> None:
    margins, folds = [1.0, 2.0, -0.5, 3.0, -1.0, 2.0], [0, 0, 3, 3, 4, 4]
    found = cross_fitted_temperatures(margins, folds)
    assert found == {
        0: fit_temperature(margins[2:]),
        3: fit_temperature(margins[:2] + margins[4:]),
        4: fit_temperature(margins[:4]),
    }
    assert cross_fitted_temperatures([1.0, 2.0], [1, 1]) == {}
