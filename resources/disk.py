"""Files that are written whole or not at all, and their digests."""

import ctypes
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux, for which Python has no names."""


def file_digest(path: Path) -> str:
    """sha256 of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader sees the old one or the new one, and a crash leaves one of them."""
    write_whole(path, lambda temporary: temporary.write_text(text))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a temporary sibling of `path`, then put it in place at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace(temporary: Path, path: Path) -> None:
    """Put a written file or folder in place, durably."""
    fsync(temporary)
    temporary.replace(path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exchange(one: Path, other: Path) -> None:
    """Let two files or folders of one file system change places in one step, durably.

    Raises:
        OSError: the file system, or the operating system, has no such step.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    fsync(one.parent)
    fsync(other.parent)
