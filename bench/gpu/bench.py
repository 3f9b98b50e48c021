"""What every section needs, and running one after the other: within their time, whatever goes wrong in one of them."""

import gc
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NoReturn, TypeVar

import torch

from bench.gpu.network import Network
from bench.gpu.rows import Journal, Row
from bench.gpu.timing import Clock, Measured

Result = TypeVar("Result")
_LEAST = 10.0
"""Seconds that have to be left for a section to begin."""
_NOTED = 300
"""Characters of an error."""


class OutOfTime(BaseException):
    """A section's time is over. It is no `Exception`, which the libraries that are measured might catch."""


class BrokenContext(BaseException):
    """The GPU refuses everything from here on in this process."""


@dataclass
class Bench:
    """The device, the network on it, and where rows go.

    Attributes:
        tiny: whether two small layers in float32 are measured, on a processor, to try the code.
        ceiling: FLOP/s of a large matrix product.
    """

    clock: Clock
    journal: Journal
    tiny: bool
    section: str = ""
    ceiling: float = field(init=False)

    def __post_init__(self) -> None:
        self.ceiling = self.clock.ceiling(torch.float32 if self.tiny else torch.bfloat16)

    @cached_property
    def network(self) -> Network:
        """The random weights, made when they are first needed."""
        return Network.build(self.clock.device, tiny=self.tiny)

    def size(self, whole: int, tiny: int) -> int:
        """How many of something."""
        return tiny if self.tiny else whole

    def measure(self, jobs: Mapping[str, Callable[[], Any]], patience: float) -> dict[str, Measured]:
        """The jobs in turns, three times unless it takes longer than `patience` seconds."""
        return self.clock.measure(jobs, self.size(3, 1), patience)

    def add(self, work: str, peer: str = "", **said: Any) -> None:
        """Write a row of the section."""
        self.journal.add(Row(self.section, work, peer, **said))

    def share(self, flops: float, seconds: float) -> float:
        """Of the ceiling."""
        return flops / seconds / self.ceiling

    def attempt(self, work: str, peer: str, job: Callable[[], Result]) -> Result | None:
        """What comes of a job; if it fails, a row says so, and None comes back.

        Raises:
            BrokenContext: the GPU can do nothing any more.
        """
        try:
            return job()
        except torch.OutOfMemoryError:
            note = "out of memory"
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a row
            note = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_NOTED]
            traceback.print_exc()
        self.add(work, peer, note=note)
        self._refuse_broken(note)
        return None

    def _refuse_broken(self, note: str) -> None:
        try:
            self.clock.forget_peak()
            torch.ones(1, device=self.clock.device).item()
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                return
            raise BrokenContext(note) from error


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> NoReturn:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Section:
    """Some rows that belong together, and how many seconds they may take."""

    run: Callable[[Bench], None]
    seconds: float


def run_sections(bench: Bench, sections: Mapping[str, Section], deadline: float) -> None:
    """Run the sections that are not in the journal, until `deadline` (`time.monotonic`).

    One that fails or exceeds its own time is over as well: a later run goes on with the next. One that is cut off by
    the deadline, or had no time to begin, is left to a later run.

    Raises:
        BrokenContext: this process is of no more use.
    """
    for name, section in sections.items():
        left = deadline - time.monotonic()
        if name in bench.journal.sections:
            continue
        if left < min(_LEAST, section.seconds):
            print(f"{name}: no time left, run the same command again", flush=True)
            continue
        bench.section, begun = name, time.monotonic()
        try:
            with _alarm(min(section.seconds, left)):
                bench.attempt(f"section {name}", "", partial(section.run, bench))
        except OutOfTime:
            bench.add(f"section {name}", note=f"cut off after {time.monotonic() - begun:.0f} seconds")
            if left < section.seconds:
                continue
        except BrokenContext as broken:
            bench.add(f"section {name}", note=f"the GPU's context broke: {broken}")
            bench.journal.end(name, time.monotonic() - begun)
            raise
        gc.collect()
        bench.journal.end(name, time.monotonic() - begun)
