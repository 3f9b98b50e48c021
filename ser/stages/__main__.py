"""Run one stage alone: `python -m ser.stages JOB.json` (see `ser.stages.job.Job.read`).

Progress goes to standard output, a line of JSON each; the last line is the summary, which is also written into
`summary.json`. The exit code is 0 when done, 1 when the stage refused its inputs, 2 when there is no such job.
"""

import ctypes
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ser.errors import SerError
from ser.scratch import write_text
from ser.stages.job import Job
from ser.terminal import guard_output

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Let the kernel kill this process when the process `parent`, which started it, ends: an orphan writes nothing.

    Raises:
        SerError: the parent is gone already, or this system has no such call.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl") or libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise SerError("this system cannot end a job with its parent.\nLeave `parent` out of the job, or use Linux.")
    if os.getppid() != parent:  # it died before the kernel was told
        raise SerError(
            f"process {parent}, the parent of this job, is not here.\nStart the job from it, or leave it out."
        )


def main(arguments: list[str]) -> int:
    """Run the job in the file that is named; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m ser.stages JOB.json", file=sys.stderr)
        return 2
    try:
        job = Job.read(Path(arguments[0]))
        if job.parent is not None:
            die_with(job.parent)
    except SerError as error:
        print(error, file=sys.stderr)
        return 2
    lines = sys.stdout

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=lines, flush=True)

    def progress(done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
        tell({"done": done, "total": total, "unit": unit, "note": note, "part": part})

    job.out.mkdir(parents=True, exist_ok=True)
    try:
        with redirect_stdout(sys.stderr):  # whatever a library prints
            summary = job.run(progress)
    except SerError as error:
        print(error, file=sys.stderr)
        return 1
    if job.share is None:
        write_text(job.out / "summary.json", json.dumps(summary, sort_keys=True, indent=1) + "\n")
    tell(summary)
    return 0


if __name__ == "__main__":
    guard_output()
    sys.exit(main(sys.argv[1:]))
