"""The folders that files are put into: what they are called, and which of their files may be read."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser.errors import SerError

DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAMES = "Use up to 64 small letters, digits, '.', '-' and '_', and begin with a letter or digit."
"""What the name of a dataset may be, for people."""
UNFINISHED = re.compile(r"^\.|\.tmp$")
"""Names of files that are still being written."""

_NAMED = 3
_NONE_LANDED = "no dataset has landed yet."


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


def dataset_folder(root: Path, dataset: str) -> Path:
    """Where files of a dataset are put.

    Raises:
        SerError: it is a link out of the landing folder: whoever may make links there must not choose what is read
            and written elsewhere.
    """
    folder = root / "landing" / dataset
    if _leads_out(folder):
        raise SerError(
            f"{folder} is a link out of the landing folder, to {folder.readlink()}, and is not followed.\n"
            "Put a folder in its place, and the files into it."
        )
    return folder


def dataset_folders(root: Path) -> list[str]:
    """The names of datasets that have a folder to put files in."""
    return [name for name, entry in _named(root).items() if entry.is_dir() and not _leads_out(Path(entry.path), entry)]


def only_dataset(known: Sequence[str]) -> str:
    """The dataset that is meant where none is named.

    Raises:
        SerError: there is not exactly one; names them, or says how there comes to be one.
    """
    if not known:
        raise SerError(f"{_NONE_LANDED}\nLand one: ser land FILE --dataset NAME. Or try the sample: ser demo")
    if len(known) > 1:
        raise SerError(f"name the dataset with --dataset: there are {', '.join(known)}.")
    return known[0]


def known_words(known: Sequence[str]) -> str:
    """Which datasets there are, in a sentence."""
    return f"Known: {', '.join(known)}." if known else _NONE_LANDED.capitalize()


def links_out(root: Path) -> list[str]:
    """The names of datasets whose folder would be a link out of the landing folder."""
    return [name for name, entry in _named(root).items() if _leads_out(Path(entry.path), entry)]


def _named(root: Path) -> dict[str, os.DirEntry[str]]:
    """What is in the landing folder under the name of a dataset, as the folder itself says it.

    Nothing is asked of what is there: it may be a disk of another machine, which does not answer.
    """
    try:
        with os.scandir(root / "landing") as entries:
            found = {entry.name: entry for entry in entries if DATASET_NAME.fullmatch(entry.name)}
    except FileNotFoundError:  # any other error says that there may be datasets that nobody sees
        return {}
    return dict(sorted(found.items()))


def _leads_out(folder: Path, entry: os.DirEntry[str] | None = None) -> bool:
    if not (entry or folder).is_symlink():
        return False
    place, landing = Path(os.path.realpath(folder)), folder.parent.resolve()
    return place.parent != landing or place.is_symlink()
