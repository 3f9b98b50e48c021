"""How long an artifact was worked on and with how much processor and memory, over all the processes that it took."""

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple

from ser.scratch import scratch_path

_EVERY = 2.0
"""Seconds between the marks for a later process."""
_SHORTEST = 0.1
"""Seconds of work of which the processor's rate can be told."""


class _Earlier(NamedTuple):
    """What earlier processes put into the folder."""

    started_at: str
    seconds: float
    cpu_seconds: float
    peak_memory: int | None


class Stopwatch:
    """Runs while a process works in a temporary folder, and goes on from where an earlier one was killed.

    Of a killed process the time up to the last file that it wrote counts, and the processor's at the rate of its last
    mark: what it did after that is done again. As a context manager it leaves such marks.
    """

    def __init__(self, folder: Path):
        self.mark = scratch_path(folder, "stopwatch")
        self._before = _earlier(folder, self.mark)
        self.started_at = self._before.started_at
        self._clock, self._cpu = time.monotonic(), _cpu_clock()
        self._memory_known = _reset_peak()
        self._over = Event()
        self._marking = Thread(target=self._keep_on, daemon=True)
        self.keep()

    @property
    def seconds(self) -> float:
        """The time worked so far."""
        return self._before.seconds + time.monotonic() - self._clock

    @property
    def cpu_seconds(self) -> float:
        """The processor's time so far, of all cores: of this process and of those that it started and that ended."""
        return self._before.cpu_seconds + _cpu_clock() - self._cpu

    @property
    def peak_memory(self) -> int | None:
        """The most bytes of memory that a process had in hand; None where the system does not say."""
        now = _peak() if self._memory_known else None
        known = [one for one in (self._before.peak_memory, now) if one is not None]
        return max(known, default=None)

    def keep(self) -> None:
        """Leave what was measured so far to a later process, should this one be killed."""
        measured = {
            "started_at": self.started_at,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory": self.peak_memory,
            "before": [self._before.seconds, self._before.cpu_seconds],
        }
        unfinished = scratch_path(self.mark.parent, "stopwatch.new")
        with suppress(OSError):  # a disk that is full or fails is said by whatever has to be written
            unfinished.write_text(json.dumps(measured))
            unfinished.replace(self.mark)
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)

    def measured(self) -> dict[str, float | int | None]:
        """What a manifest says of it."""
        return {
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "peak_memory": self.peak_memory,
        }

    def __enter__(self) -> "Stopwatch":
        self._marking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._marking.join()
        if error is not None:
            self.keep()

    def _keep_on(self) -> None:
        while not self._over.wait(_EVERY):
            self.keep()


def _earlier(folder: Path, mark: Path) -> _Earlier:
    """What went into what lies in a folder: nothing if nothing does."""
    with suppress(OSError, ValueError):  # none, or a damaged one
        kept = json.loads(mark.read_text())
        before, cpu_before = kept["before"]
        files = [path.stat().st_mtime for path in folder.rglob("*") if path != mark]
        marked, since = kept["seconds"] - before, kept["seconds"] - before - mark.stat().st_mtime
        worked = max(0.0, max(files, default=0.0) + since)
        rate = (kept["cpu_seconds"] - cpu_before) / marked if marked > _SHORTEST else 0.0
        if before + worked > 0:
            return _Earlier(kept["started_at"], before + worked, cpu_before + rate * worked, kept["peak_memory"])
    return _Earlier(datetime.now(UTC).isoformat(), 0.0, 0.0, None)


def _cpu_clock() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _reset_peak() -> bool:
    """Let the process's peak begin anew; False where it would be that of all its work so far, or is not known."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # another system, or one that forbids it
        return False
    return True


def _peak() -> int | None:
    """The peak of this process's memory in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
