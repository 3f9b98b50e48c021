"""The cut of a promised precision: it keeps its promise, whatever the scale of the confidence."""

import re

import numpy as np
import pytest

from ser.method.calibration import fit_two_parameters, log_odds, sigmoids
from ser.method.precision import Cut, calibrated_cut, promised_precision

Pairs = tuple[np.ndarray, np.ndarray]


def draw_pairs(draw: np.random.Generator, n: int, scale: float = 1.0) -> Pairs:
    """The confidence of a model, whose scale is wrong by a factor, and whether it is right."""
    sure = np.abs(draw.normal(0, 1.5, n))
    return sigmoids(scale * sure), draw.random(n) < sigmoids(sure)


def cut_of(calibration: Pairs, pool: np.ndarray, promised: float, n_min: int = 20) -> Cut:
    return calibrated_cut(*calibration, [str(k) for k in range(len(calibration[0]))], pool, promised, n_min)


def test_the_two_parameters_that_made_the_labels_are_found_under_any_weights() -> None:
    draw = np.random.default_rng(0)
    x = np.abs(draw.normal(0, 30, 20_000))
    right = draw.random(20_000) < sigmoids(0.05 * x - 0.4)
    weights = np.stack([np.ones(20_000), draw.integers(0, 3, 20_000)])
    slopes, offsets = fit_two_parameters(x, right, weights)
    assert slopes == pytest.approx([0.05, 0.05], rel=0.1) and offsets == pytest.approx([-0.4, -0.4], abs=0.1)
    (slope,), (offset,) = fit_two_parameters(np.ones(8), np.ones(8, dtype=bool), np.ones((1, 8)))
    assert sigmoids(slope + offset) == pytest.approx(9 / 10, abs=1e-3)  # as `fit_temperature` smooths
    assert log_odds(np.array([0.5, 0.75])) == pytest.approx([0, np.log(3)]) and np.isfinite(log_odds(np.array([1.0])))


def test_the_promise_is_broken_in_about_one_of_twenty_data_sets() -> None:
    draw, broken, cuts = np.random.default_rng(7), 0, 0
    for k in range(60):
        scale = (1.0, 4.0, 0.25)[k % 3]
        calibration, (pool, right) = draw_pairs(draw, 155, scale), draw_pairs(draw, 400, scale)
        cut = cut_of(calibration, pool, promised_precision("relative", calibration[1].mean()))
        if cut.confidence is not None:
            kept = pool > cut.confidence
            assert kept.sum() == cut.n >= 20 and cut.precision >= cut.precision_low >= cut.promised
            cuts, broken = cuts + 1, broken + (right[kept].mean() < cut.promised)
    assert cuts >= 40 and broken <= 0.1 * cuts, (cuts, broken)


def test_the_scale_of_the_confidence_changes_nothing_but_the_cut() -> None:
    draw = np.random.default_rng(3)
    (sure, right), (pool, _) = draw_pairs(draw, 300), draw_pairs(draw, 400)
    cut, scaled = cut_of((sure, right), pool, 0.8), cut_of((_scale(sure), right), _scale(pool), 0.8)
    assert cut.confidence is not None and scaled.confidence is not None
    assert scaled[1:5] == pytest.approx(cut[1:5], abs=1e-6)
    assert (_scale(pool) > scaled.confidence).tolist() == (pool > cut.confidence).tolist()


def test_pairs_that_are_tied_promise_less() -> None:
    draw = np.random.default_rng(4)
    (sure, right), (pool, _) = draw_pairs(draw, 120), draw_pairs(draw, 400)
    copies = np.tile(sure, 4), np.tile(right, 4)
    alone, tied = (
        cut_of(copies, pool, 0.99),
        calibrated_cut(*copies, [str(k % 120) for k in range(480)], pool, 0.99, 20),
    )
    assert tied.precision == pytest.approx(alone.precision, abs=0.05)
    assert tied.precision_low < alone.precision_low


def test_a_converged_loop_says_why() -> None:
    draw = np.random.default_rng(5)
    calibration, (pool, _) = draw_pairs(draw, 155), draw_pairs(draw, 600)
    few = cut_of(calibration, pool[:12], 0.7)
    assert (few.confidence, few.reason) == (None, "converged: 12 pairs are left, 20 are needed")
    never = cut_of(calibration, pool, 0.999)
    assert never.confidence is None
    assert never.reason.startswith(
        "converged: no 20 pairs keep the promise that 99.9 % of their labels are right; of the"
    )
    assert "calibration pairs" not in never.reason  # no number of them would show it
    kept = cut_of(calibration, pool, 0.6)
    assert (
        kept.n == 600 and "600 pairs have a confidence above 0.5" in kept.reason and "(one-sided 95 %)" in kept.reason
    )


def test_it_says_how_many_calibration_pairs_would_do() -> None:
    draw = np.random.default_rng(7)
    (sure, right), (pool, _) = draw_pairs(draw, 60), draw_pairs(draw, 2000)
    missed = cut_of((sure, right), pool, 0.95)
    assert missed.confidence is None and missed.precision_low < 0.95 < missed.precision
    said = re.search(
        r"were it so, about ([\d,]+) calibration pairs in place of 60 would mostly show it$", missed.reason
    )
    assert said is not None
    copies = round(int(said[1].replace(",", "")) / 60)
    for times, shown in ((copies // 4, False), (copies, True)):
        assert (cut_of((np.tile(sure, times), np.tile(right, times)), pool, 0.95).confidence is not None) == shown


def test_equal_confidences_are_on_one_side() -> None:
    calibration = draw_pairs(np.random.default_rng(6), 400)
    pool = np.repeat([0.99, 0.9, 0.6], 30)
    cut = cut_of(calibration, pool, 0.85)
    assert cut.confidence is not None and cut.n in (30, 60) and (pool > cut.confidence).sum() == cut.n


def test_a_promise_in_figures() -> None:
    assert promised_precision("relative", 0.8) == 0.8 and promised_precision(0.8, 0.7) == 0.8
    assert promised_precision("relative", 0.4) == 0.5


def _scale(confidence: np.ndarray) -> np.ndarray:
    return sigmoids(0.5 * log_odds(confidence))
