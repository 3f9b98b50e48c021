"""The folders that files are put into: what they are called, and which of their files may be read."""

import re
from collections.abc import Mapping
from pathlib import Path

from ser.errors import SerError

DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
UNFINISHED = re.compile(r"^\.|\.tmp$")
"""Names of files that are still being written."""

_NAMED = 3


class NotAllLandedError(SerError):
    """Files that wait cannot be read; it is raised after the others have landed."""

    def __init__(self, dataset: str, unread: Mapping[Path, OSError]):
        named = ", ".join(repr(path.name) for path in list(unread)[:_NAMED])
        more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
        reasons = ", ".join(sorted({str(error.strerror) for error in unread.values()}))
        waits, them = ("waits", "it") if len(unread) == 1 else ("wait", "them")
        super().__init__(
            f"dataset {dataset!r}: {named}{more} cannot be read ({reasons}) and {waits}; the other files have landed. "
            f"Make {them} readable, or take {them} away."
        )


def finished(folder: Path) -> list[Path]:
    """The files in a dataset's folder that nobody is writing any more."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_file() and not UNFINISHED.search(path.name)]


def inside(folder: Path) -> list[Path]:
    """Those of them that are no links out of the folder."""
    return [path for path in finished(folder) if path.resolve().parent == folder.resolve()]
