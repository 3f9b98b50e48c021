"""Means, and a ratio of them, over answers tied in two ways: by test pairs, and by the draw that trained the models."""

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from math import sqrt
from typing import NamedTuple

import numpy as np


class ClusteredMean(NamedTuple):
    """A mean with the ends of its 95 % interval, and the smallest true value that would be shown with 80 % power."""

    value: float
    low: float
    high: float
    detectable: float


def clustered_mean(
    values: Sequence[float] | np.ndarray, groups: Sequence[Hashable], draws: Sequence[Hashable]
) -> ClusteredMean:
    """The mean of `values` with an interval that holds over new test pairs and over new draws.

    Values of one group are tied (a prompt that is tested in several draws is right or wrong alike), and so are those
    of one draw, whose models they are of. The variance is V_group + V_draw - V_both, each the cluster-robust variance
    of a mean with the factor C / (C - 1) (Cameron, Gelbach and Miller, 2011, equation 2.11), and never less than either
    of the first two, which with few draws it may be by luck; the interval is Student's with min(groups, draws) - 1
    degrees of freedom. With one draw nothing is known of others, and the interval is over test pairs alone. With one
    group, or where all values are equal, there is no variance to estimate, and the interval is infinite: two models
    that agree on every pair are not shown to be equally good.

    Raises:
        ValueError: there are no values.
    """
    from scipy.stats import t as student  # half a second, which loading the definitions need not wait for

    array = np.asarray(values, dtype=float)
    if not len(array):
        raise ValueError("a mean needs values")
    mean = float(array.mean())
    group, draw = _numbers(groups), _numbers(draws)
    counts = [int(codes.max()) + 1 for codes in (group, draw)]
    if counts[0] < 2 or np.ptp(array) == 0:
        return ClusteredMean(mean, -float("inf"), float("inf"), float("inf"))
    by_group = _variance(array - mean, group)
    variance, free = by_group, counts[0] - 1
    if counts[1] > 1:
        by_draw = _variance(array - mean, draw)
        both = (
            by_group
            + by_draw
            - _variance(array - mean, _numbers(list(zip(group.tolist(), draw.tolist(), strict=True))))
        )
        variance, free = max(both, by_group, by_draw), min(counts) - 1
    reach, error = student.ppf(0.975, free), sqrt(variance)
    return ClusteredMean(mean, mean - reach * error, mean + reach * error, _shown_by(free) * error)


class ClusteredRatio(NamedTuple):
    """A ratio of two means with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def clustered_ratio(
    above: Sequence[float], below: Sequence[float], groups: Sequence[Hashable], draws: Sequence[Hashable]
) -> ClusteredRatio | None:
    """The mean of `above` over that of `below`, with the ratios r for which `above - r * below` may have the mean 0.

    Both have a value for each answer, in one order. That set is Fieller's interval (1954) with the errors of
    `clustered_mean`. None where the interval of the mean of `below` does not lie above 0: then the set has no end.
    """
    top, bottom = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if clustered_mean(bottom, groups, draws).low <= 0:
        return None
    ratio = float(top.mean() / bottom.mean())

    def may_be(other: float) -> bool:
        rest = clustered_mean(top - other * bottom, groups, draws)
        return rest.low <= 0 <= rest.high

    return ClusteredRatio(ratio, _end(may_be, ratio, -1.0), _end(may_be, ratio, 1.0))


def _end(may_be: Callable[[float], bool], start: float, step: float) -> float:
    """How far from `start`, in the direction of `step`, a ratio may be."""
    while may_be(start + step):
        step *= 2
    inside, outside = 0.0, step
    while abs(outside - inside) > 1e-5:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if may_be(start + middle) else (inside, middle)
    return start + inside


@cache
def _shown_by(free: int) -> float:
    """The true value, in standard errors, whose t statistic is beyond the upper end in 80 % of cases."""
    from scipy.optimize import brentq
    from scipy.stats import nct
    from scipy.stats import t as student

    reach = student.ppf(0.975, free)
    return float(brentq(lambda value: nct.sf(reach, free, value) - 0.8, 0, 3 * reach))


def _numbers(names: Sequence[Hashable]) -> np.ndarray:
    """Names as numbers from 0."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names])


def _variance(residuals: np.ndarray, clusters: np.ndarray) -> float:
    sums = np.bincount(clusters, weights=residuals)
    count = len(sums)
    return 0.0 if count < 2 else float(count / (count - 1) * (sums**2).sum() / len(residuals) ** 2)
