"""A snapshot has one owner at a time: an operating-system lock that dies with its process."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ser.errors import SerError


@contextmanager
def own_snapshot(root: Path, snapshot: str, run_id: str) -> Iterator[None]:
    """Own a snapshot while the block runs.

    Raises:
        SerError: another process owns it; says which run and which process.
    """
    path = root / "heads" / snapshot / ".owner"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _taken(file):
            raise SerError(_owned(path, snapshot))
        file.truncate(0)
        file.write(json.dumps({"run_id": run_id, "pid": os.getpid()}))
        file.flush()
        yield


@contextmanager
def only_writer(folder: Path, wait: bool = True) -> Iterator[None]:
    """Be the only process that writes into the temporary `folder`, which is made if need be; wait for another.

    The folder itself carries the lock, so that nothing is left behind; one that is empty at the end is removed.

    Raises:
        BlockingIOError: another process writes into it, and `wait` is false.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock_of(folder, os.O_RDONLY, wait) as held:
            if held:
                yield
                if folder.exists() and not any(folder.iterdir()):
                    folder.rmdir()
                return


@contextmanager
def only_writer_of_file(file: Path) -> Iterator[None]:
    """The same for a file, which is made if need be: what a killed process left in it is overwritten."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)  # whoever held it before may have removed it all
        with _lock_of(file, os.O_RDWR | os.O_CREAT) as held:
            if held:
                yield
                return


@contextmanager
def _lock_of(place: Path, flags: int, wait: bool = True) -> Iterator[bool]:
    """Hold the lock that `place` itself carries, once it is free; False if it is not at `place` any more.

    Whoever held it before may have renamed it: then there is a new one to lock.
    """
    try:
        handle = os.open(place, flags, 0o666)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield _is_at(handle, place)
    finally:
        os.close(handle)


def _is_at(handle: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), place.stat())
    except FileNotFoundError:
        return False


def _taken(file: IO[str]) -> bool:
    """Take the lock; whoever only looks whether it is taken holds it for a moment, and is waited for."""
    for patience in (0.05, 0.2, 0.5, 0.0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(patience)
    return False


def is_owned(root: Path, snapshot: str) -> bool:
    """Whether a living process owns the snapshot."""
    path = root / "heads" / snapshot / ".owner"
    if not path.exists():
        return False
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look must not see each other
        except BlockingIOError:
            return True
    return False


def refuse_owned(root: Path, snapshot: str) -> None:
    """Raise what `own_snapshot` would raise, without owning anything."""
    if is_owned(root, snapshot):
        raise SerError(_owned(root / "heads" / snapshot / ".owner", snapshot))


def _owned(path: Path, snapshot: str) -> str:
    return f"snapshot {snapshot} is being worked on by {_owner(path)}. Wait for it, or stop it, and run again."


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
    except ValueError:  # it has just begun and has not said who it is
        return "another process"
    return f"run {owner['run_id']} (process {owner['pid']})"
