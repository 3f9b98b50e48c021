"""Hostile inputs, each met by a process of its own: the time and the memory that it took, and what came of it.

`python -m reliability.abuse CASE FOLDER` meets one of them; the memory of a process that was forked from a large one
would be that one's.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

MEMORY = 10**9
"""Bytes that no input may need."""


@dataclass(frozen=True)
class Case:
    """A hostile input.

    Attributes:
        name: what it is, in words.
        make: writes it into an empty folder.
        meet: does to the folder `in` what a user would, in the folder `root`, and says what came of it.
    """

    name: str
    make: Callable[[Path], object]
    meet: Callable[[Path, Path], str]


@dataclass(frozen=True)
class Met:
    """What a case took: bytes on the disk, seconds, bytes of memory with its children; and what came of it."""

    size: int
    seconds: float
    memory: int
    outcome: str


def meet(case: Case, folder: Path) -> Met:
    """Make a case's input in `folder` and meet it in another process.

    Raises:
        AssertionError: the process failed, or needed more than MEMORY.
    """
    files = folder / "in"
    files.mkdir(parents=True)
    case.make(files)
    command = [sys.executable, "-m", __name__, case.name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{case.name}: ended with {done.returncode}: {done.stderr[-2000:]}")
    met = Met(**json.loads(done.stdout.splitlines()[-1]))
    if met.memory > MEMORY:
        raise AssertionError(f"{case.name}: needed {met.memory / 1e6:.0f} MB")
    return met


def meet_all(chosen: str = "") -> list[tuple[Case, Met]]:
    """All cases whose names hold `chosen`, one after the other."""
    found = []
    for case in cases():
        if chosen in case.name:
            with tempfile.TemporaryDirectory(prefix="abuse-") as folder:
                met = meet(case, Path(folder))
            print(f"{case.name}: {met}", file=sys.stderr, flush=True)
            found.append((case, met))
    return found


def cases() -> list[Case]:
    """All of them."""
    from reliability import abuse_models, abuse_places, abuse_swaps, bombs

    return [*bombs.CASES, *abuse_places.CASES, *abuse_swaps.CASES, *abuse_models.CASES]


def main() -> None:
    """Meet one case and print what it took."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    case = next(case for case in cases() if case.name == name)
    size = sum(512 * path.lstat().st_blocks for path in (folder / "in").rglob("*"))
    started = time.monotonic()
    outcome = case.meet(folder / "in", folder / "root")
    seconds = time.monotonic() - started
    print(json.dumps(asdict(Met(size, seconds, _memory(), outcome))))


def _memory() -> int:
    """The largest memory of this process, and of its largest child."""
    import resource

    from resources.landing.reading.columns import end_idle

    end_idle()  # only of children that ended it is known
    status = Path("/proc/self/status").read_text().splitlines()
    own = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


if __name__ == "__main__":
    main()
