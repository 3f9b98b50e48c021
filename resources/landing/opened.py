"""A file that is opened once: what is checked, what is read and what is copied are the same bytes."""

import errno
import hashlib
import io
import os
import stat
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting: a named pipe that nobody writes to would be waited for before anybody can see that it is one."""

_BLOCK = 2**18
_LARGE, _HOLES, _BLOCK_UNIT = 128 * 2**20, 500, 512
"""Bytes from which on a file of which less than a part of so many is on the disk is refused; bytes of `st_blocks`."""
_TICK = 50_000_000
"""Nanoseconds: more than between two times that a file system can tell apart."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
)
_OF_THE_SYSTEM = (Path("/proc"), Path("/sys"))
"""Where what looks like files is made up as it is read, and may have no end."""


class ChangedError(OSError):
    """Somebody has written to a file while it was read."""

    def __init__(self, path: Path):
        super().__init__(errno.EAGAIN, "it changed while it was read", str(path))


class OpenedFile:
    """A regular file, held open: whoever puts another into its place, or a link, changes nothing of what is read.

    Attributes:
        path: where it was found.
        handle: its descriptor.
        size: its bytes when it was opened; nothing beyond them is ever read.
    """

    def __init__(self, path: Path, handle: int):
        """Take over `handle`, and close it if it is no file: raises what `refuse_odd` raises."""
        self.path, self.handle = path, handle
        self._status = os.fstat(handle)
        self._opened_at = time.time_ns()
        self.size = self._status.st_size
        self._digest: str | None = None
        try:
            refuse_odd(path, self._status)
            self._refuse_holes()
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "OpenedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.handle)

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.name

    @property
    def mark(self) -> tuple[Any, ...]:
        """What changes when the file's content does."""
        return fingerprint(self.name, self._status)

    def open(self) -> IO[bytes]:
        """The file's bytes from the beginning, as a stream with a position of its own."""
        return io.BufferedReader(_Bytes(self.handle, self.size), _BLOCK)

    def digest(self) -> str:
        """sha256 of the file, which is read once for it."""
        if self._digest is None:
            self._digest = self._read_digest()
        return self._digest

    def copy_to(self, target: Path) -> None:
        """Write the bytes whose digest is known to the file `target`.

        Raises:
            ChangedError: they are other bytes now.
        """
        seen = hashlib.sha256()
        with self.open() as source, target.open("wb") as file:
            while block := source.read(_BLOCK):
                seen.update(block)
                file.write(block)
        if seen.hexdigest() != self.digest():
            raise ChangedError(self.path)

    def check_unchanged(self) -> None:
        """Make sure that all reading so far was of the same bytes.

        Raises:
            ChangedError: somebody has written to the file since it was opened.
        """
        if self._changed():
            raise ChangedError(self.path)

    def _changed(self) -> bool:
        now = os.fstat(self.handle)
        if _times(now) != _times(self._status):
            return True
        # A file that is written twice within a tick of the clock keeps its times.
        fresh = self._opened_at - max(now.st_mtime_ns, now.st_ctime_ns) < _TICK
        return fresh and self._digest is not None and self._read_digest() != self._digest

    def _refuse_holes(self) -> None:
        """Stop at a file that is nearly all holes: a name and a number can make it as long as a year of reading.

        Raises:
            OSError: it is such a file.
        """
        if self.size < _LARGE or self._status.st_blocks * _BLOCK_UNIT * _HOLES > self.size:
            return
        held, end = 0, 0
        while held * _HOLES <= self.size:
            try:
                begin = os.lseek(self.handle, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # a file system that cannot say
                    return
                reason = f"a sparse file, of whose {self.size:,} bytes nearly all are holes"
                raise OSError(errno.EINVAL, reason, str(self.path)) from error
            end = os.lseek(self.handle, begin, os.SEEK_HOLE)
            held += end - begin

    def _read_digest(self) -> str:
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # any IO[bytes] will do


class Openable(Protocol):
    """A file that can be opened when its turn comes: there may be more of them than a process can hold open."""

    @property
    def path(self) -> Path:
        """Where it was found."""

    def open(self) -> OpenedFile:
        """The file itself.

        Raises:
            OSError: it is not there, may not be read, or is no file.
        """


@dataclass(frozen=True)
class NamedFile:
    """A file that a person has named: a link that leads to it is theirs, and is followed."""

    path: Path

    def open(self) -> OpenedFile:
        """The file itself; see `Openable`."""
        refuse_odd(self.path, self.path.stat())  # first, because to open a device may do something
        return OpenedFile(self.path, os.open(self.path, READ))


def refuse_odd(path: Path, status: os.stat_result) -> None:
    """Stop at what is no file with bytes of its own.

    Raises:
        OSError: it is a folder, named pipe, socket or device, or made up by the system.
    """
    kind = kind_of(status)
    if kind is None and status.st_dev in _made_up():
        kind = "made up by the operating system"
    if kind is not None:
        raise OSError(errno.EINVAL, f"{kind}, not a file", str(path))


def fingerprint(name: str, status: os.stat_result) -> tuple[Any, ...]:
    """What changes when a file's content does: name, size, the time that it says, and when it was last changed."""
    return name, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def kind_of(status: os.stat_result) -> str | None:
    """What it is that is no regular file, for people; None: it is one."""
    if stat.S_ISREG(status.st_mode):
        return None
    return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "something else")


class _Bytes(io.RawIOBase):
    """The bytes of a descriptor, whose own position is left alone: several streams may read it at a time."""

    def __init__(self, handle: int, size: int):
        self._handle, self._size, self._at = handle, size, 0

    def fileno(self) -> int:
        return self._handle

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise ValueError(f"negative seek position {begin + offset}")
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(self._size - self._at, 0))
        data = os.pread(self._handle, wanted, self._at) if wanted else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@cache
def _made_up() -> frozenset[int]:
    """The devices of file systems without a disk, as far as this system has them."""
    return frozenset(place.stat().st_dev for place in _OF_THE_SYSTEM if place.is_mount())


def _times(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
