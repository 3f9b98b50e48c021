"""Disks that are full or fail: an error of one or two lines, and afterwards the same bytes."""

import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reliability.checks import Wanted, check_root, expect, expect_short, ser
from reliability.forked_command import INJECTED, Forked, at_call, fail, start
from reliability.project import DATASET, Project

SHARES = (0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95)
"""How much of what a run writes there is room for."""


@dataclass
class Faults:
    """What became of the runs that met a fault."""

    said: int = 0
    """Ended with an error of one or two lines."""
    went_on: int = 0
    """Did without what they could not write, or tried again."""


def full_disks(project: Project, wanted: Wanted) -> Faults | None:
    """Run in a tmpfs that is too small, make room, run again; None if nothing can be mounted here."""
    found = Faults()
    begun, whole = _size(wanted.landed), _size(wanted.root)
    for share in SHARES:
        try:
            with _tmpfs(project.folder / "small", begun + int(share * (whole - begun))) as small:
                root = Path(shutil.copytree(wanted.landed, small / "data"))
                _harmed(start(project.folder / "full", root, "run").wait(), found)
                subprocess.run(["mount", "-o", f"remount,size={4 * whole}", small], check=True)
                ser(project, root, "run")
                check_root(project, root, wanted)
        except PermissionError:
            return None
    return found


def full_landings(project: Project, wanted: Wanted) -> Faults:
    """Land in a tmpfs that is too small, make room, land again."""
    found = Faults()
    name = (wanted.landed / "landing" / DATASET / ".landed" / "current").read_text()
    for share in SHARES[:-1]:
        with _tmpfs(project.folder / "small", max(65536, int(share * _size(wanted.landed)))) as small:
            arguments = ("land", str(project.pairs), "--dataset", DATASET)
            _harmed(start(project.folder / "full", small / "data", *arguments).wait(), found)
            subprocess.run(["mount", "-o", f"remount,size={4 * _size(wanted.root)}", small], check=True)
            ser(project, small / "data", *arguments)
            expect(
                (small / "data" / "landing" / DATASET / ".landed" / "current").read_text() == name, "another snapshot"
            )
    return found


def failing_disks(project: Project, wanted: Wanted, number: int, draw: random.Random) -> Faults:
    """Let `number` runs meet an error of the disk where they change it; each is run again and compared."""
    found = Faults()
    while found.said + found.went_on < number:
        root = project.copy_of(wanted.landed, "failing")
        victim = start(project.folder / "fault", root, "run", harm=at_call(draw.randrange(1, 300), fail)).wait()
        if INJECTED not in victim.err:  # the run had not so many calls
            continue
        _harmed(victim, found)
        ser(project, root, "run")
        check_root(project, root, wanted)
    return found


def cut_off_writes(project: Project, wanted: Wanted) -> Faults:
    """Let the operating system refuse a write in the middle of each large file: no file may grow beyond a limit."""
    found = Faults()
    for share in (0.3, 0.6, 0.95):
        limit = int(share * max(path.stat().st_size for path in (wanted.root / "cache").rglob("0*")))
        root = project.copy_of(wanted.landed, "cut-off")
        _harmed(start(project.folder / "fault", root, "run", harm=_largest_file(limit)).wait(), found)
        ser(project, root, "run")
        check_root(project, root, wanted)
    return found


def _harmed(victim: Forked, found: Faults) -> None:
    expect(victim.code in (0, 1), f"ended with {victim.code}: {victim.err[-3000:]}")
    if victim.code == 0:
        found.went_on += 1
    else:
        expect_short(victim.err)
        found.said += 1


def _largest_file(limit: int) -> Callable[[], None]:
    def harm() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return harm


def _size(folder: Path) -> int:
    """The pages of memory that a tmpfs needs for a folder, in bytes."""
    pages = [-(-path.lstat().st_size // 4096) + 1 for path in folder.rglob("*")]
    return 4096 * sum(pages)


@contextmanager
def _tmpfs(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        raise PermissionError(mounted.stderr)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
