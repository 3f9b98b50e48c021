"""Answers one SQL statement in a process with bounds of its own: `python -m resources.audit.worker` (see `answer`).

DuckDB's own bounds are not enough for what anybody may write: the texts of `repeat` are not counted as its memory, and
its planner, `levenshtein` and others do not look at an interrupt. Here the operating system bounds the memory, and
whoever started the process ends it.
"""

import json
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TextIO

from resources.audit.database import AuditDatabase, querying
from resources.audit.render import rendered
from resources.audit.sandbox import SECONDS, memory_limit, too_large
from ser.errors import SerError

_BESIDES = 1024**3
"""Bytes for Python, for DuckDB itself, and for rows on their way out."""
_SAID = 2**16
"""Bytes for the words about an error, which go into a file."""
_A_THREAD = 16 * 1024**2
"""Bytes that a thread may take for its stack, and for what its allocator holds."""


def main() -> int:
    """Answer the question on standard input on standard output; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the process that reads says that it was stopped
    question = json.load(sys.stdin)
    path = Path(question["database"])
    _bound()
    try:
        with os.fdopen(os.dup(1), "w", encoding="utf-8", newline="") as out:
            _answer(path, question, out)
    except BrokenPipeError:
        return 1  # nobody reads any more
    except MemoryError:
        print(too_large(path), file=sys.stderr)
        return 1
    except SerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _answer(path: Path, question: dict[str, str], out: TextIO) -> None:
    with querying(AuditDatabase(path, seconds=None), question["sql"]) as (columns, rows):
        for text in rendered(columns, rows, question["form"], int(question["width"])):
            out.write(text)


def _bound() -> None:
    """Let this process hold so much memory, work for so long, and write no file but what it says, and no core."""
    threads = len(os.sched_getaffinity(0))
    for kind, most in (
        (resource.RLIMIT_DATA, memory_limit() + _BESIDES + threads * _A_THREAD),
        (resource.RLIMIT_CPU, math.ceil(SECONDS) * (threads + 1)),  # if nobody is left to end it
        (resource.RLIMIT_FSIZE, _SAID),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
