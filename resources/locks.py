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
        if not _locked(file):
            raise SerError(_owned(path, snapshot))
        file.truncate(0)
        file.write(json.dumps({"run_id": run_id, "pid": os.getpid()}))
        file.flush()
        yield


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only process that writes into the temporary `folder`, which is made if need be; wait for another.

    The folder itself carries the lock, so that nothing is left behind; one that is empty at the end is removed.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Whoever held it before may have renamed the folder into its place: then there is a new one to lock.
            if folder.exists() and os.fstat(handle).st_ino == folder.stat().st_ino:
                yield
                if folder.exists() and not any(folder.iterdir()):
                    folder.rmdir()
                return
        finally:
            os.close(handle)


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


def _locked(file: IO[str]) -> bool:
    """Whether the lock could be had; one that is held for an instant only is somebody's look at it."""
    for _ in range(5):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.1)
    return False


def _owned(path: Path, snapshot: str) -> str:
    return f"snapshot {snapshot} is being worked on by {_owner(path)}. Wait for it, or stop it, and run again."


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
    except ValueError:  # it has just begun and has not said who it is
        return "another process"
    return f"run {owner['run_id']} (process {owner['pid']})"
