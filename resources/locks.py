"""An evolution has one owner at a time: an operating-system lock that dies with its process.

The locks are `flock`'s own, because filelock cannot lock a folder, does not see that what it waited for was renamed,
and shares a lock only through an SQLite file, which loses it as soon as its own process reads that file.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ser.errors import SerError


@contextmanager
def own_evolution(root: Path, evolution: str, run_id: str) -> Iterator[None]:
    """Own the evolution `<snapshot>/<settings digest>` while the block runs; others of its snapshot stay free.

    Raises:
        SerError: another process owns it, or its whole snapshot; says which run and which process.
    """
    snapshot = evolution.partition("/")[0]
    with _locked(root, snapshot, fcntl.LOCK_SH), _locked(root, evolution, fcntl.LOCK_EX) as file:
        _say_owner(file, run_id)
        yield


@contextmanager
def own_snapshot(root: Path, snapshot: str, run_id: str) -> Iterator[None]:
    """Own a snapshot with every evolution of it, also those that would begin meanwhile, while the block runs.

    Raises:
        SerError: another process owns one; says which run and which process.
    """
    with _locked(root, snapshot, fcntl.LOCK_EX) as file:
        _say_owner(file, run_id)
        yield


@contextmanager
def _locked(root: Path, name: str, kind: int) -> Iterator[IO[str]]:
    path = _owner_file(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _taken(file, kind):
            raise SerError(_owned(root, name))
        yield file


def _say_owner(file: IO[str], run_id: str) -> None:
    file.truncate(0)
    file.write(json.dumps({"run_id": run_id, "pid": os.getpid()}))
    file.flush()


@contextmanager
def lock_of(place: Path, flags: int, wait: bool = True) -> Iterator[bool]:
    """Hold the lock that `place` itself carries, once it is free; False if it is not at `place` any more.

    Whoever held it before may have renamed it: then there is a new one to lock. No link is followed: what is locked is
    written to, and others may put files, and links, beside some of it.
    """
    try:
        handle = os.open(place, flags | os.O_NOFOLLOW, 0o666)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield _is_at(handle, place)
    finally:
        os.close(handle)


@contextmanager
def only_writer(folder: Path, wait: bool = True) -> Iterator[None]:
    """Be the only process that writes into the temporary `folder`, which is made if need be; wait for another.

    The folder itself carries the lock, so that nothing is left behind; one that is empty at the end is removed.

    Raises:
        BlockingIOError: another process writes into it, and `wait` is false.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_of(folder, os.O_RDONLY, wait) as held:
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
        with lock_of(file, os.O_RDWR | os.O_CREAT) as held:
            if held:
                yield
                return


def _is_at(handle: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), place.stat())
    except FileNotFoundError:
        return False


def _taken(file: IO[str], kind: int) -> bool:
    """Take the lock; whoever only looks whether it is taken holds it for a moment, and is waited for."""
    for patience in (0.05, 0.2, 0.5, 0.0):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(patience)
    return False


def owner_of(root: Path, name: str) -> str | None:
    """Who owns the evolution or snapshot `name`, "" if it has not said so yet; None if no living process does."""
    path = _owner_file(root, name)
    if not path.exists():
        return None
    with path.open() as file:  # for reading: whoever only looks may not be allowed to write there
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look must not see each other
        except BlockingIOError:
            return str(_said_by_owner(path).get("run_id", ""))
    return None


def owners_of(root: Path, snapshot: str) -> list[str]:
    """The runs whose living processes own the snapshot or an evolution of it."""
    names = [snapshot, *(f"{snapshot}/{folder.name}" for folder in (root / "heads" / snapshot).glob("*/"))]
    return [owner for name in names if (owner := owner_of(root, name)) is not None]


def is_owned(root: Path, snapshot: str) -> bool:
    """Whether a living process owns the snapshot or an evolution of it."""
    return bool(owners_of(root, snapshot))


def refuse_owned(root: Path, evolution: str) -> None:
    """Raise what `own_evolution` would raise, without owning anything."""
    for name in (evolution.partition("/")[0], evolution):
        if owner_of(root, name) is not None:
            raise SerError(_owned(root, name))


def _owner_file(root: Path, name: str) -> Path:
    return root / "heads" / name / ".owner"


def _owned(root: Path, name: str) -> str:
    """Who owns `name`; of a snapshot that may be whoever owns one of its evolutions."""
    files = [_owner_file(root, name), *sorted((root / "heads" / name).glob("*/.owner"))]
    taken = [path for path in files if owner_of(root, str(path.parent.relative_to(root / "heads"))) is not None]
    owner = _said_by_owner(taken[0]) if taken else {}
    who = f"run {owner['run_id']} (process {owner['pid']})" if owner else "another process"
    return f"{name} is being worked on by {who}. Wait for it, or stop it, and run again."


def _said_by_owner(path: Path) -> dict[str, Any]:
    """Who the owner is; empty while it has just begun and has not said so."""
    try:
        said: dict[str, Any] = json.loads(path.read_text())
    except ValueError:
        return {}
    return said
