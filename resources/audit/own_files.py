"""The files of a database are its own: what somebody has put at their names is not opened."""

import stat
from pathlib import Path

from ser.errors import SerError

_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


def check_own_files(path: Path) -> None:
    """Check that the database at `path`, its logs and its folders are not links, devices or the like.

    DuckDB follows a link, replays a log through it, and waits for a FIFO for ever.

    Raises:
        SerError: one of them is; says which and what to do.
    """
    files = [path.with_name(path.name + ending) for ending in _FILES]
    folders = [path.with_name(f"{path.name}.tmp"), path.with_name(f".{path.name}.tmp")]
    for kind, places in ((stat.S_IFREG, files), (stat.S_IFDIR, folders)):
        for place in places:
            try:
                found = stat.S_IFMT(place.lstat().st_mode)
            except FileNotFoundError:
                continue
            if found != kind:
                raise SerError(
                    f"{place} is {_KINDS[found]}, where only {_KINDS[kind]} of the audit database may be.\n"
                    "Remove it and run the same command again; `ser audit --rebuild` makes the database anew."
                )
