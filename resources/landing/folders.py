"""The folders that files are put into: what they are called, and which of their files may be read."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Arrivals:
    """When the newest and the oldest of what waits were put in place.

    A file's own time may be any: this is when it last was written to or got its name.
    """

    newest: float
    oldest: float
    """Of what can be opened, if anything can: a file that never lands must not hurry the others."""


def arrivals(files: Sequence[Path], links: Sequence[Path]) -> Arrivals | None:
    """The arrivals of these files and links; None if there is nothing."""
    times = {path: path.stat().st_ctime for path in files} | {link: link.lstat().st_ctime for link in links}
    opened = [times[path] for path in times if path in links or _opens(path)]
    return Arrivals(max(times.values()), min(opened or times.values())) if times else None


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
    return [path.name for path in _named(root) if path.is_dir() and not _leads_out(path)]


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
    return [path.name for path in _named(root) if _leads_out(path)]


def finished(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files in a dataset's folder that nobody is writing any more, and apart the links out of it among them."""
    files: list[Path] = []
    links: list[Path] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and not UNFINISHED.search(path.name):
            (files if path.resolve().parent == folder.resolve() else links).append(path)
    return files, links


def _named(root: Path) -> list[Path]:
    return sorted(path for path in (root / "landing").glob("*") if DATASET_NAME.fullmatch(path.name))


def _opens(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def _leads_out(folder: Path) -> bool:
    if not folder.is_symlink():
        return False
    place, landing = Path(os.path.realpath(folder)), folder.parent.resolve()
    return place.parent != landing or place.is_symlink()
