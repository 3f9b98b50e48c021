"""What `ser run` shows while it works: the step, what it does, and how long all of it will take."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from resources.console import Terminal
from resources.reporter import Screen, Work, clock
from ser_dagster.commands.run_costs import RunCosts, kind_of

SILENCE = 30.0
"""Seconds after which a line is written where no line can move, whatever has happened."""


class RunScreen(Screen):
    """A step of so many, its work, time passed and time left: two lines that move in a terminal, else lines of a log.

    Args:
        steps: the keys of the assets in the order in which they are made.
        costs: of the steps.
    """

    def __init__(self, steps: Sequence[str], costs: RunCosts):
        self._steps, self.costs = list(steps), costs
        self._console = Terminal(stderr=True)
        self._moving = sys.stderr.isatty() and self._console.is_terminal and not self._console.is_dumb_terminal
        self._began = self._spoke = time.monotonic()
        self._number, self._key = 0, ""
        self._work: Work | None = None
        self._measured: dict[str, tuple[float, float]] = {}
        self._first: dict[str, int] = {}
        self._done_in_step = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def shown(self) -> Iterator["RunScreen"]:
        """Show it while the block runs."""
        if self._moving:
            with Live(get_renderable=self._lines, console=self._console, refresh_per_second=4, transient=True,
                      redirect_stdout=False, redirect_stderr=False):  # fmt: skip
                yield self
            return
        ended = threading.Event()
        beat = threading.Thread(target=self._break_silence, args=(ended,), daemon=True)
        beat.start()
        try:
            yield self
        finally:
            ended.set()
            beat.join()

    def begin(self, key: str) -> None:
        """A step begins: the asset with this key is made."""
        if key not in self._steps:
            return
        with self._lock:
            self._number, self._key, self._work = self._steps.index(key) + 1, key, None
            self._done_in_step = 0.0
        if not self._moving:
            self.say(f"{self._where()} · {key}")

    def show(self, work: Work, due: bool) -> None:
        """Show how far the work of this step is, and learn from its rate."""
        with self._lock:
            self._work = work
            self._measure(work)
        if self._moving:
            if work.done >= work.total:
                self.say(str(work))
        elif due:
            self.say(f"{self._where()} · {work} · {self._time()}")

    def say(self, line: str) -> None:
        """Print a line that stays, above those that move."""
        self._spoke = time.monotonic()
        self._console.print(line, soft_wrap=True)

    def _measure(self, work: Work) -> None:
        kind = kind_of(work.label, work.unit)
        series = f"{work.label} {work.total}"
        first = self._first.setdefault(series, work.done)
        if kind is None or work.rate is None:
            return
        cost = (work.done - first) * self.costs.of_unit(kind)
        before = self._measured.get(series, (0.0, 0.0))[0]
        self._done_in_step += cost - before
        self._measured[series] = (cost, (work.done - first) / work.rate)

    def seconds_left(self) -> float | None:
        """Of the whole run, by all that was measured so far; None while nothing was."""
        measured = list(self._measured.values())  # which another thread may add to
        cost, seconds = (sum(one[part] for one in measured) for part in (0, 1))
        if not cost:
            return None
        ahead = sum(map(self.costs.of_step, self._steps[self._number :]))
        here = max(0.0, self.costs.of_step(self._key) - self._done_in_step)
        return (ahead + here) * seconds / cost

    def _where(self) -> str:
        return f"step {self._number} of {len(self._steps)}"

    def _time(self) -> str:
        left = self.seconds_left()
        passed = f"{clock(time.monotonic() - self._began)} elapsed"
        return passed if left is None else f"{passed}, {about(left)} left in all"

    def _lines(self) -> RenderableType:
        with self._lock:
            work = f"{self._work}" if self._work and self._work.done < self._work.total else self._key
            left, passed = self.seconds_left(), time.monotonic() - self._began
            share = passed / (passed + left) if left is not None else self._number / (len(self._steps) + 1)
            whole = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=1.0, completed=share, width=20)
            whole.add_row(Text(self._where()), bar, Text(self._time()))
            return Group(Text(work), whole)

    def _break_silence(self, ended: threading.Event) -> None:
        while not ended.wait(SILENCE / 6):
            if time.monotonic() - self._spoke >= SILENCE:
                self.say(f"{self._where()} · {self._key}: still at work · {self._time()}")


def about(seconds: float) -> str:
    """A length of time that is only estimated, for instance `about 14 minutes`."""
    if seconds < 90:
        return "about a minute" if seconds > 45 else "less than a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"
