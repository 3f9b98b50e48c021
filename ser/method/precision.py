"""The smallest confidence above which the pool's machine labels keep a promised precision.

How often labels of a confidence are right is estimated by one model with two parameters, fitted on all calibration
pairs, whatever cut is tried: no cut has a figure of its own, so that none can win by luck.
"""

from collections.abc import Sequence
from math import ceil
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from ser.method.calibration import fit_two_parameters, log_odds, sigmoids
from ser.method.promotion import POWER

RESAMPLES = 500
ERROR = 0.05
"""How often the promise may be broken: the size of the one-sided bound."""
_CUTS = 250
_SEED = 20411


class Cut(NamedTuple):
    """What confidence a pair has to exceed (None: no confidence keeps the promise), and what is known of those that do.

    `precision` is the estimate and `precision_low` its bound for the `n` pairs above the cut, or, without one, for the
    most confident pairs that were tried; `reason` is for people.
    """

    confidence: float | None
    n: int
    precision: float
    precision_low: float
    promised: float
    reason: str


def promised_precision(min_precision: float | Literal["relative"], seed_accuracy: float) -> float:
    """The promise in figures; relative, the seed's accuracy on calibration pairs, and at least that of a coin.

    The bound has to reach it, so that the precision itself lies higher, and the least sure labels are left out.
    """
    return max(seed_accuracy, 0.5) if min_precision == "relative" else min_precision


def calibrated_cut(
    confidence: np.ndarray,
    right: np.ndarray,
    groups: Sequence[str],
    pool_confidence: np.ndarray,
    promised: float,
    n_min: int,
) -> Cut:
    """The smallest cut at which the lower bound of the precision of the pool's pairs above it reaches `promised`.

    P(right | x) = sigmoid(a x + b) with x the log-odds of the confidence, |margin| / T: any scale that confidence lacks
    is put right, and a temperature cancels out that is the same for the calibration pairs and the pool. For each of 500
    resamples of the groups the two are fitted again, and the share of right labels among the n pairs above a cut is
    drawn: their mean probability plus z sqrt(sum p (1 - p)) / n, with one z from the normal distribution for all cuts.
    The seed of the resamples is fixed: equal arguments give equal cuts.

    Args:
        confidence, right: [C] of the calibration pairs, scored as the pool was: how sure, and whether as people say.
        groups: what ties calibration pairs to each other (`ser.data.tables.groups`).
        pool_confidence: [N] of the pool's pairs.
        promised: the least precision, between 0 and 1.
        n_min: pairs that are worth a loop.
    """
    ordered = -np.sort(-pool_confidence)
    # Equal ones are on one side of any cut.
    ends = np.flatnonzero(np.append(ordered[:-1] > ordered[1:], True)[: len(ordered)]) + 1
    ends = (
        ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), _CUTS)).round().astype(int))] if len(ends) else ends
    )
    if len(ordered) < n_min:
        return Cut(None, 0, 0.0, 0.0, promised, f"converged: {len(ordered):,} pairs are left, {n_min:,} are needed")
    estimates, bounds = _precisions(confidence, right, groups, ordered, ends)
    enough = np.flatnonzero(ends >= n_min)
    reached = enough[bounds[enough] >= promised]
    if len(reached) == 0:
        best = enough[np.argmax(bounds[enough])]
        found = int(ends[best]), float(estimates[best]), float(bounds[best])
        return Cut(None, *found, promised, _why_none(*found, promised, n_min, len(right)))
    last = reached[-1]
    cut = float(np.nextafter(ordered[ends[last] - 1], 0))
    found = int(ends[last]), float(estimates[last]), float(bounds[last])
    return Cut(cut, *found, promised, _why(cut, *found, promised))


def _precisions(
    confidence: np.ndarray, right: np.ndarray, groups: Sequence[str], ordered: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The estimate and the bound [K] of the precision of the first `ends` [K] of the `ordered` pool.

    Pairs between two ends are taken at their mean log-odds.
    """
    draw = np.random.default_rng(_SEED)
    names, of_pair = np.unique(np.asarray(groups), return_inverse=True)
    counts = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    weights = np.concatenate([np.ones((1, len(right))), counts[:, of_pair]])
    slopes, offsets = fit_two_parameters(log_odds(confidence), np.asarray(right, dtype=bool), weights)
    sizes = np.diff(ends, prepend=0)
    middles = np.add.reduceat(log_odds(ordered), ends - sizes) / sizes
    probabilities = sigmoids(slopes[:, None] * middles + offsets[:, None])
    means = np.cumsum(probabilities * sizes, axis=1) / ends
    spreads = np.sqrt(np.cumsum(probabilities * (1 - probabilities) * sizes, axis=1)) / ends
    drawn = means[1:] + draw.standard_normal((RESAMPLES, 1)) * spreads[1:]
    return means[0], _lower(drawn, means[0])


def _lower(drawn: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """The lower bounds [K] from the resamples [B, K]: bias-corrected percentiles (Efron, 1981).

    A slope that is fitted to few pairs is too steep, and that of a resample is so twice over; the correction moves the
    percentile by as much as the resamples lie above the estimate.
    """
    below = ((drawn < estimates).sum(axis=0) + 0.5) / (len(drawn) + 1)
    levels = [NormalDist().cdf(2 * NormalDist().inv_cdf(share) + NormalDist().inv_cdf(ERROR)) for share in below]
    places = np.floor(np.array(levels) * (len(drawn) - 1)).astype(int)
    return np.take_along_axis(np.sort(drawn, axis=0), places[None], axis=0)[0]


def _why(cut: float, n: int, precision: float, low: float, promised: float) -> str:
    return (
        f"{n:,} pairs have a confidence above {cut:.4f}: about {precision:.1%} of their labels are right, at least "
        f"{low:.1%} (one-sided 95%), and {promised:.1%} was promised"
    ).replace("%", " %")


def _why_none(n: int, precision: float, low: float, promised: float, n_min: int, calibrated: int) -> str:
    """Why nothing is kept, and how many calibration pairs would show it with `POWER`, were the estimate true.

    Roughly: the bound is taken to near the estimate as one over the square root of their number, and it has the chance
    of the pool's own pairs in it too.
    """
    told = (
        f"converged: no {n_min:,} pairs keep the promise that {promised:.1%} of their labels are right; of the "
        f"{n:,} best about {precision:.1%} are, at least {low:.1%} (one-sided 95%)"
    ).replace("%", " %")
    if precision <= promised:
        return told
    beyond = 1 + NormalDist().inv_cdf(POWER) / NormalDist().inv_cdf(1 - ERROR)
    needed = ceil(calibrated * (beyond * (precision - low) / (precision - promised)) ** 2)
    return f"{told}; were it so, about {needed:,} calibration pairs in place of {calibrated:,} would mostly show it"
