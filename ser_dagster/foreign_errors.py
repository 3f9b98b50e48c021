"""Errors of the operating system and of the libraries that store things, in two lines: what is wrong, what to do."""

import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resources.disk import FULL, is_full, is_of_the_disk
from ser.errors import SerError

ANOTHER_PLACE = "name another place: SER_DATA for all data, DAGSTER_HOME for Dagster's."
OTHER_PLACE = f"Get the right to, or {ANOTHER_PLACE}"
MORE_MEMORY = "Free some, or end what else runs, and try again."
SEE_TRACE = "With --debug the command shows where this comes from."

INTERRUPTED_QUERY = "Query interrupted"
"""What DuckDB raises, as a RuntimeError, in place of whatever a signal's handler raises while it computes."""

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
    if isinstance(error, SerError):
        return None
    if is_full(error, _root()):
        return FULL
    kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    said = _first_line(getattr(error, "orig", None) or error)  # SQLAlchemy has what the database said
    words = _of_a_library(kinds, said)
    if words is None and isinstance(error, OSError):
        return _of_the_system(error)
    if words is None and isinstance(error, MemoryError):
        return f"there is not enough memory: {said}\n{MORE_MEMORY}"
    return f"{said}\n{SEE_TRACE}" if words is None and is_of_the_disk(error) else words


def recorded_in_two_lines(message: str) -> str | None:
    """The same of an error that Dagster has recorded: of it the kind and the message are left."""
    kind, _, said = message.partition(": ")
    if is_full(RuntimeError(message), _root()):
        return FULL
    if recorded := _RECORDED.fullmatch(_first_line(said)):
        number, reason, *places = recorded.groups()
        return _of_the_system(OSError(int(number), reason, places[0], None, places[1]))
    return _of_a_library([kind], _first_line(said))


_RECORDED = re.compile(r"\[Errno (\d+)\] (.+?)(?:: '(.+?)')?(?: -> '(.+)')?")


def _root() -> Path | None:
    """The data root, if it can be one."""
    from resources.settings_file import data_root

    try:
        return data_root()
    except SerError:
        return None


def _of_the_system(error: OSError) -> str:
    named = error.filename2 or error.filename
    if error.errno is None or error.strerror is None:
        return f"{_first_line(error)}\n{SEE_TRACE}"
    if named is None or isinstance(named, int):
        return f"the operating system says: {error.strerror}.\n{SEE_TRACE}"
    known = _PLACES.get(error.errno, (f"cannot be used: {error.strerror}", f"Mend that, or {ANOTHER_PLACE}"))
    return f"{os.fsdecode(named)} {known[0]}.\n{known[1]}"


def _of_a_library(kinds: Sequence[str], said: str) -> str | None:
    """The words for an error of these classes, by their full names: importing them would take longer than commands."""
    libraries = {kind.partition(".")[0] for kind in kinds}
    if libraries & {"duckdb", "_duckdb"}:
        if any(kind.endswith(".OutOfMemoryException") for kind in kinds):
            return f"DuckDB has not enough memory: {said}\n{MORE_MEMORY}"
        if any(sign in said for sign in ("Permission denied", "Read-only file system")):
            return f"DuckDB: {said}\n{OTHER_PLACE}"
        return f"DuckDB: {said}\nIf that is the audit database, `ser audit --rebuild` makes it again. {SEE_TRACE}"
    if libraries & {"sqlalchemy", "sqlite3", "psycopg2", "alembic"}:
        return _of_dagsters_storage(said)
    if "pyarrow" in libraries:
        return f"a table cannot be read or written: {said}\n{SEE_TRACE}"
    return None


def _of_dagsters_storage(said: str) -> str:
    from ser_dagster.dagster_instance import place_of_dagster

    remedy = next((remedy for signs, remedy in _STORAGE if any(sign in said for sign in signs)), SEE_TRACE)
    return f"Dagster's storage ({place_of_dagster()}): {said}\n{remedy}"


def _first_line(error: Any) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
