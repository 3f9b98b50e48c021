"""What the tables of a study's page are written with."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from resources.reporting.numbers import DASH, difference, percent
from resources.studies.comparison import NAIVE, Difference, Row
from resources.studies.outcome import SEED
from resources.studies.plan import StudyPlan
from ser.method.clustered import ClusteredMean, ClusteredRatio


def place(plan: StudyPlan, row: Row) -> list[str]:
    """The first cells of a row: its data set and its option of every axis."""
    return [row.dataset, *(row.options[axis] for axis in plan.axes)]


def say_model(model: str) -> str:
    """What a person calls a model that the last loop, or loop 1, is compared with."""
    name = "the seed" if model == SEED else model.removesuffix("_rm").replace("_", " ")
    return f"{name} (loop 1)" if model == NAIVE else name


def interval(gain: ClusteredMean) -> str:
    """A gain with its interval, `–` where there is none."""
    return difference(gain.value, gain.low, gain.high) if isfinite(gain.low) else DASH


def interval_over(found: Difference | None) -> str:
    """The same of the last loop over a control, and of how many draws it is, where not all have that control."""
    if found is None:
        return DASH
    missing = found.draws < len(found.row.outcomes)
    return interval(found.gain) + (f", of {found.draws}" if missing else "")


def share(ratio: ClusteredRatio | None) -> str:
    """A share of something that is shown to be there, with its interval."""
    if ratio is None:
        return DASH
    low, high = (f"{100 * end:.0f}".replace("-", "−") for end in (ratio.low, ratio.high))
    return f"{percent(ratio.value, 0)} ({low} to {high})"


def shows(gain: ClusteredMean) -> str:
    """The smallest gain that would have been shown, in points."""
    return f"{100 * gain.detectable:.1f}" if isfinite(gain.detectable) else DASH


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    every = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in every)
