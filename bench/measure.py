"""Alternating timed runs, and the table of their ratios."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Protocol


class Timed(Protocol):
    """Work that can be repeated: only `run` is timed."""

    def prepare(self, number: int) -> None:
        """Whatever is not part of the work of round `number`, such as loading a model."""

    def run(self) -> object:
        """The work."""


@dataclass(frozen=True)
class Job:
    """Work as plain functions."""

    run: Callable[[], object]
    prepare: Callable[[int], None] = lambda number: None


@dataclass(frozen=True)
class Comparison:
    """A row of the table: the seconds (or another figure) of both sides in each round, in the order of the rounds.

    The ratio has to be `must`, and `aim` is wanted; without them it is only told. `lower` says that less is better,
    and the ratio is then ours by theirs. `units` are the pairs or episodes of a run; without them the sides are plain
    figures instead of seconds.
    """

    work: str
    dataset: str
    peer: str
    must: float | None
    aim: float | None
    ours: list[float]
    theirs: list[float]
    units: int | None
    lower: bool = False

    @property
    def ratios(self) -> list[float]:
        """One per round, sorted."""
        both = zip(self.ours, self.theirs, strict=True)
        return sorted(ours / theirs if self.lower else theirs / ours for ours, theirs in both)

    def cells(self) -> list[str]:
        """The row as text."""
        ratios, value = self.ratios, median(self.ratios)
        return [
            self.work,
            self.dataset,
            self.peer,
            f"**{value:.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            *self._targets(value),
            *(f"{self.units / median(side) if self.units else median(side):.2f}" for side in (self.ours, self.theirs)),
        ]

    def _targets(self, value: float) -> list[str]:
        """What has to be, what is wanted, and what is reached."""
        if self.must is None or self.aim is None:
            return ["–", "–", "–"]
        mark, sign = ("≤ ", -1) if self.lower else ("", 1)
        reached = "aim" if sign * value >= sign * self.aim else "must" if sign * value >= sign * self.must else "missed"
        return [f"{mark}{self.must:g}", f"{mark}{self.aim:g}", reached]


HEADINGS = ["work", "data", "peer", "ratio: median (range)", "must", "aim", "reached", "ours", "peer"]


def alternate(rounds: int, jobs: Mapping[str, Timed]) -> dict[str, list[float]]:
    """Seconds of every job in every round; the jobs take turns, so that a slow minute hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name, job in jobs.items():
            job.prepare(number)
            start = time.perf_counter()
            job.run()
            seconds[name].append(time.perf_counter() - start)
            print(f"round {number + 1} of {rounds}: {name}: {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def table(rows: list[list[str]], headings: list[str] = HEADINGS) -> str:
    """A markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
