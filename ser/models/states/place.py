"""Where the states after the trunk are kept, by arithmetic: what they take, and how often they are read."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from ser.specs import Cache

Place = Literal["gpu", "host", "disk", "none"]
_OF_GPU, _OF_HOST, _OF_DISK = 0.3, 0.5, 0.8
"""Shares of what is free that states may take: the rest is for the work itself."""
_GROUP = Path("/sys/fs/cgroup")
GB = 1e9


@dataclass(frozen=True)
class Choice:
    """A place, and why."""

    place: Place
    why: str


@dataclass(frozen=True)
class Room:
    """Free bytes of the memories and of the disk."""

    gpu: int
    host: int
    disk: int


def choose_place(
    needed: int, room: Room, asked: Cache, *, on_gpu: bool, passes: float, seconds: Callable[[], tuple[float, float]]
) -> Choice:
    """Where to keep `needed` bytes of states that are read in `passes` passes over the pairs.

    Memory costs next to nothing to write and to read. The disk is worth it if writing once and reading every time takes
    less than computing them again every time; on a processor, where a layer takes a thousand times as long, it is.

    Args:
        asked: what the settings say.
        seconds: measures what it takes to compute them once, and to write them to disk once.
    """
    if asked != "auto":
        return Choice(asked, "as compute.cache says")
    if not on_gpu:
        return Choice("disk", "a processor reads them faster than it computes them")
    if needed <= room_for("gpu", room):
        return Choice("gpu", f"{needed / GB:.1f} GB of {room.gpu / GB:.1f} GB that are free")
    if needed <= room_for("host", room):
        return Choice("host", f"{needed / GB:.1f} GB of {room.host / GB:.1f} GB that are free")
    if needed > _OF_DISK * room.disk:
        return Choice("none", f"{needed / GB:.0f} GB, and {room.disk / GB:.0f} GB of the disk are free")
    computing, writing = seconds()
    on_disk = max(computing, writing) + passes * writing  # they are written while the next ones are computed
    why = f"{on_disk:,.0f} s to write once and read {passes:.0f} times, {passes * computing:,.0f} s to compute as often"
    return Choice("disk" if on_disk < passes * computing else "none", why)


def room_for(memory: Literal["gpu", "host"], room: Room) -> int:
    """Bytes that states may take in a memory, also where it was asked for: what is beyond is computed each time."""
    return max(0, int(_OF_GPU * room.gpu if memory == "gpu" else _OF_HOST * room.host))


def free_host_bytes() -> int:
    """Memory of the host that this process may still use, in its control group too."""
    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        facts = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    except OSError:  # no such group, or no Linux
        return free
    if not limit.isdigit():
        return free
    files = int(facts.get("inactive_file", 0))  # pages of files that were read, which give way
    return min(free, int(limit) - int(used) + files)


def free_disk_bytes(folder: Path) -> int:
    """Free space where a folder lies or will lie."""
    place = folder
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
