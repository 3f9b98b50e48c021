"""How long an artifact was worked on, over all the processes that it took."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ser.scratch import scratch_path


class Stopwatch:
    """Runs while a process works in a temporary folder, and goes on from where an earlier one was killed.

    Of a killed process the time up to the last file that it wrote counts: what it did after that is done again.
    """

    def __init__(self, folder: Path):
        self.mark = scratch_path(folder, "stopwatch")
        self.started_at, self._before = _earlier(folder, self.mark)
        self._clock = time.monotonic()
        self.keep()

    @property
    def seconds(self) -> float:
        """The time worked so far."""
        return self._before + time.monotonic() - self._clock

    def keep(self) -> None:
        """Leave the time worked so far to a later process, should this one be killed."""
        with suppress(OSError):  # a disk that is full or fails is said by whatever has to be written
            self.mark.write_text(json.dumps({"started_at": self.started_at, "seconds": round(self.seconds, 3)}))


def _earlier(folder: Path, mark: Path) -> tuple[str, float]:
    """When the work in a folder began, and the time that went into what lies there: none if nothing does."""
    with suppress(OSError, ValueError):
        kept = json.loads(mark.read_text())
        last = max(path.stat().st_mtime for path in folder.rglob("*"))
        if last > mark.stat().st_mtime or kept["seconds"]:
            return kept["started_at"], kept["seconds"] + last - mark.stat().st_mtime
    return datetime.now(UTC).isoformat(), 0.0
