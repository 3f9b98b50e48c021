"""`python -m resources.landing.reading.column_worker`: reads parquet and arrow files for another process.

A file of a few kilobytes can come to gigabytes, take hours, or crash the library that reads it, and nothing in it says
so that can be trusted. So it is read in a process that may not have more than MEMORY, and that ends when the processor
time for a file is used up. Standard input is a socket: of each request comes one line with an open file, and the rows
go back, each a letter and a line of JSON.
"""

import io
import json
import os
import resource
import signal
import socket
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from resources.landing.reading.arrow_rows import arrow_rows, parquet_rows
from resources.landing.reading.rows import RawRow, UnreadableError, unreadable

MEMORY = 512 * 2**20
"""Bytes that this process may have."""

ACCEPTED, ROW, BAD_ROW, TOLD, END, UNREADABLE, NO_MEMORY, DISK = (b"a", b"r", b"b", b"t", b"e", b"u", b"m", b"d")
"""What a line from here is."""

_IDLE_SECONDS = 60
_REQUEST = 2**12


def main() -> None:
    """Serve requests until there are no more, or none comes for a while."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    memory = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_cpu_count(1)
    with socket.socket(fileno=0) as connection, io.BufferedWriter(socket.SocketIO(connection, "w"), 2**18) as answers:
        connection.settimeout(_IDLE_SECONDS)
        while True:
            try:
                line, files, _, _ = socket.recv_fds(connection, _REQUEST, 1)
            except TimeoutError:
                return
            if not line:
                return
            connection.settimeout(None)
            if not _serve(json.loads(line), files[0], answers):
                return
            connection.settimeout(_IDLE_SECONDS)


def _serve(request: dict[str, Any], descriptor: int, answers: io.BufferedIOBase) -> bool:
    """Answer one request; returns whether this process is fit for another."""
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])  # what it does at the end is to end the process
    answers.write(ACCEPTED + b"\n")
    answers.flush()
    fit = True
    with os.fdopen(descriptor, "rb") as file:
        try:
            for line in _lines(file, request, answers):
                answers.write(line)
            answers.write(END + b"\n")
        except UnreadableError as error:
            answers.write(UNREADABLE + _json(str(error)))
        except MemoryError:
            answers.write(NO_MEMORY + b"\n")
            fit = False
        except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                answers.write(DISK + _json([error.errno, error.strerror]))
            else:
                answers.write(UNREADABLE + _json(unreadable(error)))
    signal.setitimer(signal.ITIMER_PROF, 0)
    answers.flush()
    return fit


def _lines(file: IO[bytes], request: dict[str, Any], answers: io.BufferedIOBase) -> Iterator[bytes]:
    def tell(assumption: str) -> None:
        answers.write(TOLD + _json(assumption))

    file.seek(0)
    found = parquet_rows(file, request["at_once"]) if request["parquet"] else arrow_rows(file, tell)
    for row in found:
        if row.line > request["after"]:
            yield _line(row)


def _line(row: RawRow) -> bytes:
    if row.fields is not None:
        return ROW + row.raw.encode() + b"\n"
    whole = row.whole and [row.whole.bytes, row.whole.sha256]
    return BAD_ROW + _json([row.raw, row.reason, row.raw_base64, whole])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


if __name__ == "__main__":
    main()
