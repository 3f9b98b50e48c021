"""Parquet and arrow files, read by a process of its own (see `column_worker`)."""

import atexit
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import IO, Any, ClassVar

from resources.landing.reading import column_worker
from resources.landing.reading.limits import check_expansion, seconds_for
from resources.landing.reading.rows import RawRow, Tell, UnreadableError, Whole
from ser.errors import SerError
from ser.python_process import module_command, module_environment

_AT_ONCE = (1024, 16, 1)
"""Rows of a parquet file that are decoded at a time: fewer where those do not fit."""
_TOO_LARGE = (
    f"damaged, or larger than the {column_worker.MEMORY // 2**20} MB of memory that reading it may take: "
    "write it in smaller row groups or batches"
)


def column_rows(file: IO[bytes], parquet: bool, size: int, tell: Tell) -> Iterator[RawRow]:
    """The rows of a parquet or arrow file.

    Args:
        file: open at a descriptor, and read from its beginning.
        size: bytes that were landed: the file's, before it was decompressed.

    Raises:
        UnreadableError: it is damaged, or cannot be read within the limits of memory and time.
        OSError: the disk failed.
    """
    reading = _Reading(file, size, tell)
    for at_once in _AT_ONCE if parquet else _AT_ONCE[:1]:
        yield from reading.rows({"parquet": parquet, "at_once": at_once})
        if reading.complete:
            return
    raise UnreadableError(_TOO_LARGE)


class _Reading:
    """The reading of one file, which goes on where an attempt with more rows at a time broke off."""

    def __init__(self, file: IO[bytes], size: int, tell: Tell):
        self._file, self._size, self._tell = file, size, tell
        self._told: set[str] = set()
        self._line, self._expanded = 0, 0
        self.complete = False

    def rows(self, how: dict[str, Any]) -> Iterator[RawRow]:
        """The rows that have not been read yet, as far as they can be read so."""
        seconds = seconds_for(self._size)
        worker = _ask(self._file, {**how, "after": self._line, "seconds": seconds})
        fit = False
        try:
            while answer := worker.answers.readline():
                kind, body = answer[:1], answer[1:]
                if kind in (column_worker.ROW, column_worker.BAD_ROW):
                    self._line += 1
                    self._expanded += len(body)
                    check_expansion(self._expanded, self._size)
                    yield _row(kind, body, self._line)
                    continue
                if kind == column_worker.TOLD:
                    self._tell_once(json.loads(body))
                    continue
                fit = kind != column_worker.NO_MEMORY
                self._end(kind, body)
                return
            if worker.process.wait() == -signal.SIGPROF:
                raise UnreadableError(f"takes too long to read: over {seconds:.0f} seconds of processor time")
        finally:
            worker.put_back() if fit else worker.end()

    def _end(self, kind: bytes, body: bytes) -> None:
        if kind == column_worker.UNREADABLE:
            raise UnreadableError(json.loads(body))
        if kind == column_worker.DISK:
            raise OSError(*json.loads(body))
        self.complete = kind == column_worker.END

    def _tell_once(self, assumption: str) -> None:
        if assumption not in self._told:
            self._told.add(assumption)
            self._tell(assumption)


def _row(kind: bytes, body: bytes, line: int) -> RawRow:
    if kind == column_worker.ROW:
        raw = body[:-1].decode()
        return RawRow(line, raw, json.loads(raw))
    raw, reason, exact, whole = json.loads(body)
    return RawRow(line, raw, None, reason, exact, whole and Whole(*whole))


class _Worker:
    """A process that reads files, and the line to it."""

    idle: ClassVar[list["_Worker"]] = []
    """At most one, which is taken before another is started. It ends by itself after a while."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self.answers = self._socket.makefile("rb", 2**18)
        settings = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
        with theirs:
            self.process = subprocess.Popen(
                module_command(column_worker.__name__),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=module_environment(**settings),
            )

    def ask(self, file: IO[bytes], request: dict[str, Any]) -> bool:
        """Send a file with a request; returns whether it was accepted, and not by a process that has just ended."""
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [file.fileno()])
            return bool(self.answers.readline())
        except ConnectionError:
            return False

    def put_back(self) -> None:
        """Keep the process for another file, unless one is kept already."""
        if self.idle:
            self.end()
        else:
            self.idle.append(self)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.answers.close()
        self._socket.close()


def _ask(file: IO[bytes], request: dict[str, Any]) -> _Worker:
    """A process that has begun to answer a request.

    Raises:
        SerError: none could be started.
    """
    while _Worker.idle:
        worker = _Worker.idle.pop()
        if worker.ask(file, request):
            return worker
        worker.end()
    worker = _Worker()
    if not worker.ask(file, request):
        worker.end()
        raise SerError(
            f"the process that reads parquet and arrow files ended at once ({column_worker.__name__}).\n"
            "Look at the limits of memory and processes here (ulimit -a), or save the file as JSON lines."
        )
    return worker


@atexit.register
def end_idle() -> None:
    """End the processes that wait for a file."""
    while _Worker.idle:
        _Worker.idle.pop().end()


os.register_at_fork(after_in_child=_Worker.idle.clear)
