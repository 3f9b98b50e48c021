"""How sure a reward model may be: temperature, confidence, and how far both are from the truth."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar


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
    scale = float(np.abs(margins).mean()) or 1.0
    # A model no better than chance has its best T at infinity; a hundred times the scale is as good as that.
    right = (len(margins) + 1) / (len(margins) + 2)

    def loss(log_t: float) -> float:
        t = math.exp(log_t)
        return right * log_loss(margins, t) + (1 - right) * log_loss(-margins, t)

    result = minimize_scalar(
        loss,
        bounds=(math.log(scale / 100), math.log(scale * 100)),
        method="bounded",
    )
    return float(math.exp(result.x))


def cross_fitted_log_loss(correct_margins: Sequence[float], groups: Sequence[str], folds: int = 5) -> list[float]:
    """-log sigmoid(m / T) of each margin, with the T that fits the margins of the other folds of whole groups.

    Unlike the log loss at a temperature that was fitted on the same pairs, it does not flatter a model. With a single
    group there are no others, and T is fitted on all.
    """
    names = sorted(set(groups))
    fold_of = {name: number % min(folds, len(names)) for number, name in enumerate(names)}
    own = np.array([fold_of[group] for group in groups])
    margins = np.asarray(correct_margins, dtype=float)
    losses = np.empty(len(margins))
    for fold in set(fold_of.values()):
        others = margins[own != fold] if len(names) > 1 else margins
        losses[own == fold] = np.logaddexp(0, -margins[own == fold] / fit_temperature(others))
    return [float(loss) for loss in losses]


def expected_calibration_error(correct_margins: Sequence[float], temperature: float, bins: int = 10) -> float:
    """ECE: mean distance of accuracy from confidence over equal bins of confidence in [0.5, 1], weighted by size."""
    margins = np.asarray(correct_margins, dtype=float)
    sure = 1 / (1 + np.exp(-np.abs(margins) / temperature))
    right = (margins > 0).astype(float)
    place = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].mean() - sure[place == b].mean()) * (place == b).mean() for b in np.unique(place)]
    return float(sum(gaps))
