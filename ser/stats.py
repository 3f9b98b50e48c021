"""Intervals for counted things: how far a share, or a difference of two shares, may be trusted."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist


def z_value(level: float = 0.95) -> float:
    """How many standard deviations a two-sided interval of `level` reaches (1.96 for 95 %)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval `(low, high)` of a share of `successes` in `n`; all of [0, 1] when `n` is 0.

    A tie may count as half a success, so `successes` need not be whole.
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


def proportion(successes: float, n: int, level: float = 0.95) -> dict[str, float | int | None]:
    """A share as summaries store it: `{"value", "ci_low", "ci_high", "n"}`; `value` is None when `n` is 0."""
    low, high = wilson(successes, n, level)
    return {"value": successes / n if n else None, "ci_low": low, "ci_high": high, "n": n}


def paired_counts(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int]:
    """`(gained, lost)`: cases that only `after` has right, and cases that only `before` has right."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} and {len(after)} answers are not pairs")
    pairs = list(zip(before, after, strict=True))
    return sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)


def paired_difference(gained: int, lost: int, n: int, level: float = 0.95) -> tuple[float, float, float]:
    """`(difference, low, high)` of two shares measured on the same `n` cases (Bonett and Price, 2012).

    The interval adds one to each count, so it stays honest when few cases changed; cases on which
    both agree cancel, which makes it narrower than the two shares' own intervals suggest.
    """
    if gained < 0 or lost < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n} is impossible")
    if n == 0:
        return 0.0, -1.0, 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = z_value(level) * sqrt((up + down - (up - down) ** 2) / (n + 2))
    return (gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half)
