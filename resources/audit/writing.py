"""One process at a time writes the audit database, or makes another to be put in its place."""

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from resources.audit.own_files import check_own_files
from resources.locks import only_writer
from ser.errors import SerError


class AuditBusy(SerError):  # noqa: N818 - it says what is so, not what went wrong
    """Another process holds the audit database; nothing was changed, and later the same call will work."""


def turns(patience: float) -> Iterator[bool]:
    """A turn every tenth of a second, for `patience` seconds: whether it is the last."""
    give_up = time.monotonic() + patience
    while (left := give_up - time.monotonic()) > 0:
        yield False
        time.sleep(min(0.1, left))
    yield True


@contextmanager
def being_written(path: Path, patience: float = math.inf) -> Iterator[Path]:
    """Be the only process of ours that writes the database at `path`, or makes another to be put there.

    Yields where to make that: in a temporary folder, which carries the lock. What a killed process left there goes
    first; what is not put in its place goes afterwards.

    Raises:
        AuditBusy: another process was at it for longer than `patience` seconds.
        SerError: something else lies at the place of one of its files.
    """
    check_own_files(path)
    folder = path.with_name(f".{path.name}.tmp")
    with ExitStack() as lock:
        for last in turns(patience):
            try:
                lock.enter_context(only_writer(folder, wait=False))
                break
            except BlockingIOError as error:
                if last:
                    raise AuditBusy(
                        f"{path} is being written by another process.\n"
                        "Wait for the run or the `ser audit --rebuild` that does it, and try again."
                    ) from error
        try:
            _empty(folder)
            yield folder / path.name
        finally:
            _empty(folder)


def put_in_place(fresh: Path, path: Path) -> None:
    """Replace the database at `path`, whose log must not be replayed into the new one."""
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    fresh.replace(path)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():  # DuckDB's, for what did not fit into memory
            shutil.rmtree(path)
        else:
            path.unlink()
