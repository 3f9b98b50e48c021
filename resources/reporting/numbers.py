"""Numbers as people read them."""

from collections.abc import Mapping
from typing import Any

DASH = "–"
"""Stands for a number that there is not."""


def percent(share: float | None, digits: int = 1) -> str:
    """A share as text, `–` when there is none."""
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def number(value: Any, digits: int = 0) -> str:
    """A number as text with thousands apart, `–` when there is none."""
    return DASH if value is None else f"{value:,.{digits}f}".replace(",", " ").replace("-", "−")


def percent_within(share: Mapping[str, Any]) -> str:
    """A share (`ser.method.stats.share`) as text with the ends of its interval."""
    return f"{percent(share['value'])} ({100 * share['ci_low']:.1f} to {100 * share['ci_high']:.1f})"


def difference(value: float | None, low: float | None, high: float | None, statistic: str = "accuracy") -> str:
    """A gain with the ends of its interval, in points of accuracy or nat of log loss; `–` when there is none."""
    if value is None or low is None or high is None:
        return DASH
    return f"{signed(value, statistic)} ({signed(low, statistic)} to {signed(high, statistic)})"


def gain_words(value: float, low: float, high: float, statistic: str = "accuracy") -> str:
    """A gain with its unit and the ends of its interval, for a sentence."""
    unit = "points" if statistic == "accuracy" else "nat of log loss"
    return f"{signed(value, statistic)} {unit} ({signed(low, statistic)} to {signed(high, statistic)})"


def magnitude(value: float | None, statistic: str = "accuracy") -> str:
    """The size of a gain with its unit, `–` when there is none."""
    if value is None:
        return DASH
    return f"{100 * value:.1f} points" if statistic == "accuracy" else f"{value:.3f} nat of log loss"


def signed(value: float, statistic: str = "accuracy") -> str:
    """A gain with its sign, in points of accuracy or nat of log loss."""
    return (f"{100 * value:+.1f}" if statistic == "accuracy" else f"{value:+.3f}").replace("-", "−")
