"""How sure a reward model may be: temperature, confidence, and how far both are from the truth."""

import math
from collections.abc import Sequence

import numpy as np

_ROWS = 64
"""Fits that are made together: what bounds the memory."""
_STEPS, _HALVINGS, _CLOSE, _RIDGE = 50, 20, 1e-6, 1e-9
_WIDEST = 100.0
"""How many times wider or narrower than the mean margin a temperature may be."""


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def confidence(margin: float, temperature: float) -> float:
    """sigmoid(|margin| / T): the probability that the preferred response is the better one."""
    return sigmoid(abs(margin) / temperature)


def log_loss(correct_margins: Sequence[float] | np.ndarray, temperature: float = 1.0) -> float:
    """Mean of -log sigmoid(m / T) over margins of the human-preferred response above the other."""
    return float(np.logaddexp(0, -np.asarray(correct_margins) / temperature).mean())


def fit_temperature(correct_margins: Sequence[float] | np.ndarray) -> float:
    """The T > 0 that minimises the log-loss on held-out pairs (Guo et al., arXiv 1706.04599, section 4.2).

    The labels are smoothed as by Platt (1999, "Probabilistic outputs for support vector machines", section 2.2): n
    pairs that are all ranked right do not make a model sure of everything, but of (n + 1) / (n + 2) of it.

    Args:
        correct_margins: reward of the human-preferred response minus that of the other, one per pair.
    """
    margins = np.asarray(correct_margins, dtype=float)
    return float(fit_temperatures(margins, np.ones((1, len(margins))))[0])


def fit_temperatures(margins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[B] the T of `fit_temperature` under each row of `weights` [B, C]: how often each of the margins [C] counts.

    With b = 1 / T the slope of the loss is the sum of m (sigmoid(b m) - right), which rises with b: Newton's steps in
    log b, and half of what is left where one leaves the interval that the answer lies in.
    """
    counts = weights.sum(axis=1)
    right = ((counts + 1) / (counts + 2))[:, None]
    scale = (weights @ np.abs(margins)) / np.maximum(counts, 1)
    # A model no better than chance has its best T at infinity; a hundred times the scale is as good as that.
    middle = -np.log(np.where(scale > 0, scale, 1.0))
    low, high = middle - math.log(_WIDEST), middle + math.log(_WIDEST)
    at = middle
    for _ in range(_STEPS):
        sure = sigmoids(np.exp(at)[:, None] * margins)
        slope = (weights * (sure - right)) @ margins
        curve = np.exp(at) * ((weights * sure * (1 - sure)) @ margins**2)
        low, high = np.where(slope < 0, at, low), np.where(slope < 0, high, at)
        with np.errstate(divide="ignore", invalid="ignore"):
            after = at - slope / curve
        inside = (low < after) & (after < high)
        after = np.where(inside, after, (low + high) / 2)
        moved, at = np.abs(after - at).max(initial=0), after
        if moved < _CLOSE:
            break
    return np.exp(-at)


def folds_of_groups(groups: Sequence[str], folds: int) -> np.ndarray:
    """[C] the fold of each case: whole groups, dealt out in the order of their names; fewer than `folds` if need be."""
    names = sorted(set(groups))
    fold_of = {name: number % min(folds, len(names)) for number, name in enumerate(names)}
    return np.array([fold_of[group] for group in groups])


def cross_fitted_temperatures(correct_margins: Sequence[float], folds: Sequence[int]) -> dict[int, float]:
    """Fold -> the T that fits the margins of all other folds; of a fold without others there is none.

    A confidence at such a T is out of sample: the pair had no part in it.
    """
    margins, own = np.asarray(correct_margins, dtype=float), np.asarray(folds)
    return {fold: fit_temperature(margins[own != fold]) for fold in sorted(set(folds)) if (own != fold).any()}


def expected_calibration_error(correct_margins: Sequence[float], temperature: float, bins: int = 10) -> float:
    """ECE: mean distance of accuracy from confidence over equal bins of confidence in [0.5, 1], weighted by size."""
    margins = np.asarray(correct_margins, dtype=float)
    sure = 1 / (1 + np.exp(-np.abs(margins) / temperature))
    right = (margins > 0).astype(float)
    place = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].mean() - sure[place == b].mean()) * (place == b).mean() for b in np.unique(place)]
    return float(sum(gaps))


def sigmoids(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) of an array, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), which of a confidence is |margin| / T; a certainty is taken as the next lower number."""
    p = np.minimum(np.asarray(probability, dtype=float), np.nextafter(1.0, 0.0))
    return np.log(p) - np.log1p(-p)


def fit_two_parameters(x: np.ndarray, right: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The a [B] and b [B] of P(right | x) = sigmoid(a x + b) that minimise the log-loss under each row of `weights`.

    Labels are smoothed as in `fit_temperature`, so that pairs that are all right, or that x separates, have an answer.
    Newton's method (Platt, 1999; Lin, Lin and Weng, 2007), with half the step where a step does not help.

    Args:
        x: [C] how sure the model is, on any scale.
        right: [C] booleans.
        weights: [B, C] how often each pair counts.
    """
    mean, scale = float(x.mean()), float(x.std()) or 1.0
    standard, start = (x - mean) / scale, np.zeros((1, 2))
    start = _newton(standard, right, np.ones((1, len(x))), start)
    blocks = np.array_split(weights, -(-len(weights) // _ROWS))
    slopes, offsets = np.concatenate([_newton(standard, right, rows, start) for rows in blocks]).T
    return slopes / scale, offsets - slopes * mean / scale


def _newton(x: np.ndarray, right: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """[B, 2] slope and offset for a standardised x, from those in `start` [1, 2]."""
    ups = weights @ right
    downs = weights.sum(axis=1) - ups
    target = np.where(right, ((ups + 1) / (ups + 2))[:, None], (1 / (downs + 2))[:, None])

    def losses(at: np.ndarray) -> np.ndarray:
        z = at[:, :1] * x + at[:, 1:]
        return (weights * (np.logaddexp(0, z) - target * z)).sum(axis=1)

    now = np.repeat(start, len(weights), axis=0)
    loss = losses(now)
    for _ in range(_STEPS):
        p = sigmoids(now[:, :1] * x + now[:, 1:])
        pull, curve = weights * (p - target), weights * p * (1 - p)
        gradient = np.stack([pull @ x, pull.sum(axis=1)], axis=1)
        a, b, c = curve @ x**2 + _RIDGE, curve @ x, curve.sum(axis=1) + _RIDGE
        step = np.stack([c * gradient[:, 0] - b * gradient[:, 1], a * gradient[:, 1] - b * gradient[:, 0]], axis=1)
        step /= (a * c - b * b)[:, None]
        for _ in range(_HALVINGS):
            worse = (after := losses(now - step)) > loss + _CLOSE  # rounding is no harm
            if not worse.any():
                break
            step[worse] /= 2
        now, loss = now - step, after
        if np.abs(step).max() < _CLOSE:
            break
    return now
