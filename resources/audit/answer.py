"""The answer to anybody's SQL, from a process that can be ended whatever it does."""

import codecs
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from resources.audit.layout import terminal_width
from resources.audit.sandbox import SECONDS, go_on, too_long
from ser.errors import SerError
from ser.python_process import module_command, module_environment

_PIECE = 2**16


def ask_worker(path: Path, sql: str, form: str, seconds: float = SECONDS) -> Iterator[str]:
    """The answer of the audit database at `path` to one SELECT, in pieces, as they come.

    Args:
        form: `table`, `csv` or `json`.
        seconds: for how long it may work; the time that whoever reads takes is not counted.

    Raises:
        SerError: there is no database, it is busy or damaged, the SQL is wrong or not a single SELECT, or it takes too
            much time or memory. Some of the answer may have been given before.
    """
    question: dict[str, str | int] = {"database": str(path), "sql": sql, "form": form, "width": terminal_width()}
    with (
        # In a file: a process that ends before it has read a pipe would be reported as a pipe that broke.
        tempfile.TemporaryFile("w+", encoding="utf-8") as asked,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
    ):
        json.dump(question, asked)
        asked.seek(0)
        with subprocess.Popen(
            module_command("resources.audit.worker"),
            env=module_environment(),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as worker:
            assert worker.stdout is not None
            try:
                yield from _texts(worker.stdout, seconds)
                code = worker.wait()
            except TimeoutError as error:
                raise SerError(too_long(path, seconds)) from error
            finally:
                worker.kill()
        said.seek(0)
        if code < 0:
            name = signal.Signals(-code).name
            raise SerError(f"The query has ended the process that worked on it ({name}).\n{go_on(path)}")
        if code:
            raise SerError(said.read().strip() or f"The query's process ended with exit code {code}.\n{go_on(path)}")


def _texts(answer: IO[bytes], seconds: float) -> Iterator[str]:
    """The pieces of an answer; no line end is cut in two.

    Raises:
        TimeoutError: they have been waited for longer than `seconds`.
    """
    decoder, kept = codecs.getincrementaldecoder("utf-8")(errors="replace"), ""
    poll, waited = select.poll(), 0.0
    poll.register(answer, select.POLLIN)
    while True:
        began = time.monotonic()
        ready = poll.poll(1000 * max(0.0, seconds - waited))
        waited += time.monotonic() - began
        if not ready or waited > seconds:
            raise TimeoutError
        piece = os.read(answer.fileno(), _PIECE)
        text = kept + decoder.decode(piece, final=not piece)
        kept = "\r" if piece and text.endswith("\r") else ""
        yield text.removesuffix(kept)
        if not piece:
            return
