"""Intervals for counted things: how far a share, or a difference of two shares, may be trusted."""

from collections import Counter
from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist
from typing import NamedTuple


def z_value(level: float = 0.95) -> float:
    """How many standard deviations a two-sided interval of `level` reaches (1.96 for 95 %)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval `(low, high)` of a share of `successes` in `n`; all of [0, 1] when `n` is 0.

    Neither need be whole: a tie may count as half a success, and `n` be the effective size of a clustered sample.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} is impossible")
    z = z_value(level)
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def is_above_chance(low: float) -> bool:
    """Whether a share whose interval begins at `low` is shown to be better than a coin."""
    return low > 0.5


def design_effect(values: Sequence[float], groups: Sequence[str]) -> float:
    """How many times larger the variance of the mean of `values` is than if they were independent (Kish, 1965).

    `groups` names what ties each value to others: pairs of one prompt are right or wrong together. It is the
    between-group variance estimator of a ratio mean over that of a simple random sample, and at least 1: groups are
    never taken to add information. Where all values are equal there is no variance to estimate, and a group counts as
    one value. With about 20 groups, or 40 and a share near 0 or 1, an interval made with it is still too narrow.
    """
    n, sizes = len(values), Counter(groups)
    if len(sizes) < 2 or len(sizes) == n:
        return max(1.0, n / max(1, len(sizes)))
    mean = sum(values) / n
    squares = sum((value - mean) ** 2 for value in values)
    if squares == 0:
        return n / len(sizes)
    sums = dict.fromkeys(sizes, 0.0)
    for value, group in zip(values, groups, strict=True):
        sums[group] += value - mean
    between = sum(total * total for total in sums.values()) * len(sizes) / (len(sizes) - 1)
    return max(1.0, between / (squares * n / (n - 1)))


def share(values: Sequence[float], groups: Sequence[str], level: float = 0.95) -> dict[str, float | int | None]:
    """The mean of `values` in [0, 1] as summaries store it: `{"value", "ci_low", "ci_high", "n", "n_effective"}`.

    The interval is Wilson's at the effective size n / design effect (Korn and Graubard, 1998, without their
    correction for few groups). `n` counts the values; `value` is None when there are none.
    """
    n = len(values)
    effect = design_effect(values, groups)
    low, high = wilson(sum(values) / effect, n / effect, level)
    return {"value": sum(values) / n if n else None, "ci_low": low, "ci_high": high, "n": n, "n_effective": n / effect}


def needed_above_half(share: float, effect: float = 1.0) -> int | None:
    """How many cases put the lower end of `wilson` above one half with probability 0.8; None if no number does.

    That is the sample size of the score test against one half, which Wilson's interval inverts, by the normal
    approximation (Fleiss, Levin and Paik, 2003, section 2.5), times the design effect.

    Args:
        share: the true share of successes.
        effect: the design effect of the cases (`design_effect`).
    """
    if share <= 0.5:
        return None
    reach = z_value() / 2 + NormalDist().inv_cdf(0.8) * sqrt(share * (1 - share))
    return ceil(effect * (reach / (share - 0.5)) ** 2)


class Gain(NamedTuple):
    """A paired difference with the ends of its interval."""

    value: float
    low: float
    high: float


def gain(before: Sequence[bool], after: Sequence[bool], groups: Sequence[str], level: float = 0.95) -> Gain:
    """The difference of two shares of right answers on the same cases (Bonett and Price, 2012).

    The interval adds one to the gained and the lost cases, so it stays honest when few changed; cases on which both
    agree cancel, which makes it narrower than the two shares' own intervals suggest. Counts are divided by the design
    effect of the changes.
    """
    changes = [int(a) - int(b) for b, a in zip(before, after, strict=True)]
    n = len(changes)
    if n == 0:
        return Gain(0.0, -1.0, 1.0)
    effect = design_effect(changes, groups)
    size = n / effect + 2
    up, down = (changes.count(1) / effect + 1) / size, (changes.count(-1) / effect + 1) / size
    half = z_value(level) * sqrt((up + down - (up - down) ** 2) / size)
    return Gain(sum(changes) / n, max(-1.0, up - down - half), min(1.0, up - down + half))
