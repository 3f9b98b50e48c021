"""Progress for people: one line that moves in a terminal, and a line now and then in a log."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from ser.terminal import move_line


@dataclass(frozen=True)
class Work:
    """How far a piece of work is: `done` of `total` `unit`s of `label`, so many a second (None while unknown)."""

    label: str
    done: int
    total: int
    unit: str
    note: str = ""
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far; None while that is unknown or when all is done."""
        return (self.total - self.done) / self.rate if self.rate and self.done < self.total else None

    @property
    def counts(self) -> str:
        """What is done, how fast, and how long the rest takes."""
        parts = [f"{self.done:,}/{self.total:,} {self.unit}"]
        if self.rate is not None:
            parts.append(f"{self.rate:.1f} {self.unit}/s")
        if self.seconds_left is not None:
            parts.append(f"{clock(self.seconds_left)} left")
        return " · ".join(parts)

    def __str__(self) -> str:
        return f"{self.label}: {self.counts}{f' · {self.note}' if self.note else ''}"


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, from an hour on with the hours."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class Screen:
    """Standard error: a line that moves in a terminal, and a line now and then elsewhere."""

    def show(self, work: Work, due: bool) -> None:
        """Show how far a piece of work is; `due` now and then, and where it begins and ends."""
        if sys.stderr.isatty():
            move_line(str(work), stays=work.done >= work.total)
        elif due:
            self.say(str(work))

    def say(self, line: str) -> None:
        """Print a line that stays."""
        print(line, file=sys.stderr, flush=True)


SCREEN = Screen()


class Reporter:
    """Says what a stage has done.

    Args:
        label: what works, for instance `loop_1/self_labels`.
        log: called with a line every `every` seconds, and for the first and last.
        screen: what shows it to whoever waits for it; None if nobody does.
        log_warning: called with what went otherwise than it was meant to; by default `log`.
    """

    def __init__(
        self,
        label: str,
        log: Callable[[str], None],
        *,
        screen: Screen | None,
        every: float = 10.0,
        log_warning: Callable[[str], None] | None = None,
    ):
        self._label, self._log, self._every = label, log, every
        self._log_warning = log_warning or log
        self._screen = screen
        self._started = self._told = time.monotonic()
        self._begun: Work | None = None
        self._last = 0

    def __call__(self, done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
        now = time.monotonic()
        label = f"{self._label}, {part}" if part else self._label
        begun = self._begun
        if begun is None or done < self._last or (label, total, unit) != (begun.label, begun.total, begun.unit):
            # A resumed stage starts above zero, and a stage may do one thing after another.
            begun = self._begun = Work(label, done, total, unit)
            self._started = now
        self._last = done
        known = done > begun.done and now - self._started > 0.5
        rate = (done - begun.done) / (now - self._started) if known else None
        work = Work(label, done, total, unit, note, rate)
        due = done == begun.done or done >= total or now - self._told >= self._every
        if due:
            self._told = now
            self._log(str(work))
        if self._screen is not None:
            self._screen.show(work, due)

    def say(self, text: str) -> None:
        """Say something that stays on the screen."""
        line = f"{self._label}: {text}"
        self._log(line)
        if self._screen is not None:
            self._screen.say(line)

    def warn(self, text: str) -> None:
        """Say that something went otherwise than it was meant to."""
        line = f"{self._label}: {text}"
        self._log_warning(line)
        if self._screen is not None:
            self._screen.say(line)
