"""A dataset's landing in a process of its own: one that a file brings down, or that uses up memory, takes only itself.

python -m ser_dagster.landing_process DATASET      lands what waits, and prints a report; ends when its input closes
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from resources.credentials import redact
from resources.settings_file import ROOT
from ser.errors import SerError
from ser.python_process import module_command, module_environment

_AT_ONCE = threading.BoundedSemaphore(8)
"""Each takes some hundred megabytes."""


@dataclass(frozen=True)
class LandingReport:
    """What became of a landing, in words; `unread` is what kept files from it."""

    summary: str | None = None
    unread: str | None = None


def land_apart(dataset: str) -> LandingReport:
    """Land what waits for a dataset in a process that ends with this one, however this one ends.

    Raises:
        SerError: the landing failed; the traceback, if it was no error of ours, stands in the log.
    """
    where = {name: str(Path(os.environ[name]).resolve()) for name in ("SER_DATA", "SER_CONFIG") if os.environ.get(name)}
    with (
        _AT_ONCE,
        # Its input is a pipe that nobody writes to, and that closes with this process.
        subprocess.Popen(
            module_command(__name__, dataset),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=module_environment(**where),
        ) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.read()
        code = process.wait()
    if code < 0:
        raise SerError(
            f"its landing was killed ({signal.Signals(-code).name}); if memory is short, land less at a time"
        )
    try:
        found = json.loads(said)
    except ValueError as error:
        raise SerError(f"its landing ended with exit code {code}; the log of the code location says why") from error
    if code:
        raise SerError(found["error"])
    return LandingReport(**found)


def land(dataset: str) -> LandingReport:
    """Land what waits for a dataset, here."""
    from resources.landing.folders import NotAllLandedError
    from resources.landing.zone import Landing
    from resources.settings_file import data_root, load_settings
    from ser_dagster.commands.landing_words import summary_line

    try:
        done = Landing(data_root(), load_settings()).land_waiting(dataset)
    except NotAllLandedError as error:
        return LandingReport(unread=str(error))
    return LandingReport(None if done is None else summary_line(done))


def words_of(error: Exception) -> str:
    """The message, which says what to do if it is one of ours, and else begins with the kind of the error."""
    return str(error) if isinstance(error, SerError) else f"{type(error).__name__}: {error}"


def main() -> int:
    """Land, and print what came of it as JSON."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        print(json.dumps(asdict(land(sys.argv[1]))))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        if not isinstance(error, SerError):
            print(redact(traceback.format_exc()), file=sys.stderr)
        print(json.dumps({"error": words_of(error)}))
        return 1
    return 0


def _end_with_parent() -> None:
    """A landing may be killed at any moment: the next one finds what it needs."""
    os.read(sys.stdin.fileno(), 1)  # not through a buffer, whose lock would be in the way when this process ends
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
