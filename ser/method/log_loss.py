"""The log loss of a reward model out of sample, and what one model gains over another in it."""

from collections.abc import Sequence
from functools import cached_property
from statistics import stdev

import numpy as np

from ser.method.calibration import fit_temperatures, folds_of_groups
from ser.method.stats import Gain

FOLDS = 5
"""Folds of whole groups; a pair's temperature is fitted on the others."""
BLOCKS = 40
"""Blocks of whole groups that the jackknife leaves out in turn, a multiple of the folds."""


class CrossFittedLogLoss:
    """-log sigmoid(m / T) of each margin, with the T that fits the margins of the other folds of whole groups.

    Unlike the log loss at a temperature that was fitted on the same pairs, it does not flatter a model. Where there is
    no other fold, T is fitted on all.

    Args:
        margins: reward of the human-preferred response minus that of the other, one per pair.
        groups: what ties each of the pairs to others.
    """

    def __init__(self, margins: Sequence[float], groups: Sequence[str]) -> None:
        self._margins = np.asarray(margins, dtype=float)
        self._folds, self._blocks = folds_of_groups(groups, FOLDS), folds_of_groups(groups, BLOCKS)
        self.losses: np.ndarray = self._losses(np.ones((1, len(self._margins)), dtype=bool))[0]
        """[C] of each pair."""

    @property
    def mean(self) -> float:
        """In nats."""
        return float(self.losses.mean())

    @cached_property
    def without(self) -> np.ndarray:
        """[B] the mean without each block of groups, with the temperatures fitted without it; [0] of one group."""
        blocks = int(self._blocks.max()) + 1
        kept = np.stack([self._blocks != block for block in range(blocks)])[: blocks if blocks > 1 else 0]
        return np.asarray((self._losses(kept) * kept).sum(axis=1) / kept.sum(axis=1))

    def _losses(self, kept: np.ndarray) -> np.ndarray:
        """[B, C] the losses of all pairs, where those that are `kept` [B, C] fit the temperatures."""
        losses = np.empty(kept.shape)
        for fold in np.unique(self._folds):
            own = self._folds == fold
            others = kept & ~own
            fitting = np.where(others.any(axis=1, keepdims=True), others, kept)
            temperatures = fit_temperatures(self._margins, fitting.astype(float))
            losses[:, own] = np.logaddexp(0, -self._margins[own] / temperatures[:, None])
        return losses


def log_loss_gain(before: CrossFittedLogLoss, after: CrossFittedLogLoss, level: float) -> Gain:
    """By how much the mean log loss of `after` is lower, over the same pairs, with its interval.

    The error is the jackknife's over blocks of groups (Efron and Stein, 1981), with Student's t. It fits the
    temperatures anew each time, because with few pairs, or few that are ranked wrongly, what they vary by is no less
    than what losses vary by. One group alone shows nothing: its interval is as wide as to reach 0.
    """
    from scipy.stats import t as student  # half a second, which loading the definitions need not wait for

    value = before.mean - after.mean
    changes = before.losses - after.losses
    blocks = len(before.without)
    if blocks < 2:
        half = abs(value) + (stdev(changes) if len(changes) > 1 else 0.0)
    else:
        apart = before.without - after.without
        error = float(np.sqrt((blocks - 1) / blocks * ((apart - apart.mean()) ** 2).sum()))
        half = float(student.ppf(0.5 + level / 2, blocks - 1)) * error
    return Gain(value, value - half, value + half)
