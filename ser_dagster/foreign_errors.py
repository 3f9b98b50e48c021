"""Errors of the operating system and of the libraries that store things, in two lines: what is wrong, what to do."""

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any

from resources.disk import FULL, is_full, is_of_the_disk
from ser.errors import SerError

ANOTHER_PLACE = "name another place: SER_DATA for all data, DAGSTER_HOME for Dagster's."
OTHER_PLACE = f"Get the right to, or {ANOTHER_PLACE}"
SEE_TRACE = "With --debug the command shows where this comes from."

_PLACES: Mapping[int, tuple[str, str]] = {
    errno.EROFS: ("cannot be written to: the file system is read-only", OTHER_PLACE),
    errno.EACCES: ("cannot be read or written: permission denied", OTHER_PLACE),
    errno.EPERM: ("cannot be changed: operation not permitted", OTHER_PLACE),
    errno.ENOTDIR: ("cannot be used: a file lies where a folder belongs", f"Move it away, or {ANOTHER_PLACE}"),
    errno.EEXIST: ("cannot be made: something else lies there", f"Move it away, or {ANOTHER_PLACE}"),
    errno.EISDIR: ("cannot be used: a folder lies where a file belongs", f"Move it away, or {ANOTHER_PLACE}"),
    errno.ELOOP: ("cannot be used: its links lead in a circle", f"Remove the link, or {ANOTHER_PLACE}"),
    errno.ENAMETOOLONG: ("cannot be used: its name is too long", f"Choose a shorter one, or {ANOTHER_PLACE}"),
    errno.ENOENT: ("is not there, or not any more", "If nobody has removed it, run the same command again."),
    errno.EIO: ("cannot be read or written: the disk fails", f"Look after the disk, or {ANOTHER_PLACE}"),
}
"""By the number of the operating system: what is wrong with a place, and what to do."""

_STORAGE = (
    (("readonly", "read-only", "unable to open"), OTHER_PLACE),
    (("locked", "busy"), "Another process holds it: end that one, or run the same command again."),
    (
        ("malformed", "not a database", "no such table", "no such column"),
        "Move the folder away: a new one is made. It holds the history of runs, and no pair, model or label.",
    ),
)
"""What a database says, and what to do where it is Dagster's."""


def in_two_lines(error: BaseException) -> str | None:
    """What an error that is not of this program's making says, and what to do.

    None for any other error: that may be a fault of ours, and is shown with its stack trace.
    """
    from resources.settings_file import data_root

    if isinstance(error, SerError):
        return None
    if is_full(error, data_root()):
        return FULL
    libraries = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    for names, words in _LIBRARIES:
        if not libraries.isdisjoint(names):
            return words(error)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError):
        return f"there is not enough memory{_said(error)}.\nFree some, or end what else runs, and try again."
    return f"{_first_line(error)}\n{SEE_TRACE}" if is_of_the_disk(error) else None


def _of_the_system(error: OSError) -> str:
    named = error.filename2 or error.filename
    if error.errno is None or error.strerror is None:
        return f"{_first_line(error)}\n{SEE_TRACE}"
    if named is None or isinstance(named, int):
        return f"the operating system says: {error.strerror}.\n{SEE_TRACE}"
    known = _PLACES.get(error.errno, (f"cannot be used: {error.strerror}", f"Mend that, or {ANOTHER_PLACE}"))
    return f"{os.fsdecode(named)} {known[0]}.\n{known[1]}"


def _of_duckdb(error: BaseException) -> str:
    if type(error).__name__ == "OutOfMemoryException":
        return f"DuckDB has not enough memory: {_first_line(error)}\nFree some, or end what else runs, and try again."
    remedy = "If that is the audit database, `ser audit --rebuild` makes it again."
    return f"DuckDB: {_first_line(error)}\n{remedy} {SEE_TRACE}"


def _of_dagsters_storage(error: BaseException) -> str:
    from ser_dagster.dagster_instance import place_of_dagster

    said = _first_line(getattr(error, "orig", None) or error)
    remedy = next((remedy for signs, remedy in _STORAGE if any(sign in said for sign in signs)), SEE_TRACE)
    return f"Dagster's storage ({place_of_dagster()}): {said}\n{remedy}"


def _of_pyarrow(error: BaseException) -> str:
    return f"a table cannot be read or written: {_first_line(error)}\n{SEE_TRACE}"


_LIBRARIES: tuple[tuple[frozenset[str], Callable[[Any], str]], ...] = (
    (frozenset({"duckdb", "_duckdb"}), _of_duckdb),
    (frozenset({"sqlalchemy", "sqlite3", "psycopg2", "alembic"}), _of_dagsters_storage),
    (frozenset({"pyarrow"}), _of_pyarrow),
)
"""Libraries by their names, because importing them takes longer than most commands."""


def _said(error: BaseException) -> str:
    return f": {_first_line(error)}" if str(error).strip() else ""


def _first_line(error: Any) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
