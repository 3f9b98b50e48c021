"""Progress for people: one line that moves in a terminal, and a line now and then in a log."""

import sys
import time
from collections.abc import Callable


class Reporter:
    """Says what a stage has done: loop, stage, units done, rate, time left.

    Args:
        label: what works, for instance `loop_1/self_labels`.
        log: called with a line every `every` seconds, and for the first and last.
        terminal: whether to write to standard error as well.
        log_warning: called with what went otherwise than it was meant to; by default `log`.
    """

    def __init__(
        self,
        label: str,
        log: Callable[[str], None],
        *,
        terminal: bool,
        every: float = 10.0,
        log_warning: Callable[[str], None] | None = None,
    ):
        self._label, self._log, self._every = label, log, every
        self._log_warning = log_warning or log
        self._terminal = terminal
        self._moving = terminal and sys.stderr.isatty()
        self._started = self._told = time.monotonic()
        self._first: int | None = None
        self._last = self._total = 0
        self._unit = ""

    def __call__(self, done: int, total: int, unit: str, note: str = "") -> None:
        now = time.monotonic()
        if self._first is None or done < self._last or (total, unit) != (self._total, self._unit):
            # A resumed stage starts above zero, and a stage may do one thing after another.
            self._first, self._started = done, now
        self._last, self._total, self._unit = done, total, unit
        line = self._line(done, total, unit, note, now)
        if self._moving:
            print(f"\r\033[K{line}", end="\n" if done >= total else "", file=sys.stderr, flush=True)
        if done == self._first or done >= total or now - self._told >= self._every:
            self._told = now
            self._log(line)
            if self._terminal and not self._moving:
                print(line, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Say that something went otherwise than it was meant to."""
        line = f"{self._label}: {text}"
        self._log_warning(line)
        if self._terminal:
            print(line, file=sys.stderr, flush=True)

    def _line(self, done: int, total: int, unit: str, note: str, now: float) -> str:
        parts = [f"{self._label}: {done:,}/{total:,} {unit}"]
        rate = (done - (self._first or 0)) / max(now - self._started, 1e-9)
        if done > (self._first or 0) and now - self._started > 0.5:
            parts.append(f"{rate:.1f} {unit}/s")
            if done < total:
                left = round((total - done) / rate)
                parts.append(f"{left // 60}:{left % 60:02d} left")
        return " · ".join([*parts, note] if note else parts)
