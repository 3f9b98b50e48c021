"""Files that are written whole or not at all, and their digests."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from resources.locks import only_writer_of_file
from ser.errors import SerError

FULL = "there is no space left on the disk. Free some and run the same command again: what is finished is kept."
_DISK_SIGNS = ("disk I/O error", "Could not write file")
_NO_ROOM = 2**18
"""Bytes with which nothing can be done."""
_FULL_SIGNS = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_TICK = 50_000_000
"""Nanoseconds: more than between two times that a file system can tell apart."""
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux, for which Python has no names."""


def is_full(error: BaseException, place: Path | None = None) -> bool:
    """Whether an error, or one that led to it, says that the disk is full, in whichever library's words.

    Some have no words for it (torch: "file write failed", SQLite: "disk I/O error"): then it counts that `place`
    has no room left.
    """
    cause = error.__cause__ or error.__context__
    if any(sign in str(error) for sign in _FULL_SIGNS) or (cause is not None and is_full(cause)):
        return True
    if place is None or isinstance(error, SerError):
        return False
    present = next(one for one in (place, *place.parents) if one.exists())
    system = os.statvfs(present)
    if system.f_flag & os.ST_RDONLY or system.f_blocks == 0:  # an image, or no disk: nothing is ever free there
        return False
    return shutil.disk_usage(present).free < _NO_ROOM


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error is the operating system's or, in the words of SQLite or DuckDB, the disk's."""
    return isinstance(error, OSError) or any(sign in str(error) for sign in _DISK_SIGNS)


def clear(folder: Path) -> None:
    """Remove everything in a folder whose name says that it is nobody's result: `.….tmp`."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:  # many times quicker than a pattern, and there may be a hundred thousand files
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not (entry.name.startswith(".") and entry.name.endswith(".tmp")):
                if is_folder:
                    clear(Path(entry.path))
            elif is_folder:
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink(missing_ok=True)  # whoever was writing it may have finished


def open_file(path: Path) -> IO[bytes]:
    """A file for reading; if a named pipe is in its place, nobody is waited for who might write to it.

    Raises:
        OSError: it cannot be opened, or is something else than a file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "something else than a file is in its place", str(path))
    return os.fdopen(handle, "rb")


def file_digest(path: Path) -> str:
    """sha256 of one file; it is read again in a process only when its size or a time of it has changed."""
    status = path.stat()
    mark = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    # A file that is written twice within a tick of the clock keeps its times.
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK:
        return _read_digest(path)
    return _known_digest(path, mark)


def _read_digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # any IO[bytes] will do


@lru_cache(maxsize=4096)
def _known_digest(path: Path, _mark: tuple[int, ...]) -> str:
    return _read_digest(path)


def read_json(path: Path, remedy: str, shown: Path | None = None) -> Any:
    """What a JSON file of ours says.

    Raises:
        SerError: it cannot be read; names it (as `shown`, if people know it by another path), and says `remedy` in a
            second line.
    """
    try:
        with open_file(path) as file:
            return json.load(file)
    except OSError as error:
        reason = str(error.strerror)
    except (ValueError, RecursionError) as error:
        reason = str(error)
    raise SerError(f"{shown or path} cannot be read: {reason}.\n{remedy}")


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader sees the old one or the new one, and a crash leaves one of them."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary sibling of `path`, then put it in place at once.

    The sibling has the same name every time: whoever writes `path` next overwrites what a killed process left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with only_writer_of_file(temporary):
        try:
            write(temporary)
            replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)  # on a full disk half a file would be in the way
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
