"""A folder that files are put into, held open: whoever swaps it, or a file in it, for a link has nothing else read."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.landing.folders import UNFINISHED
from resources.landing.opened import READ, OpenedFile, fingerprint, kind_of

SUBFOLDER = "a folder in a dataset's folder is not looked into; put its files beside it"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class WaitingFile:
    """A file that nobody is writing any more.

    Attributes:
        mark: its fingerprint, which begins with its name, when it was found.
        changed_at: when it last was written to or got its name; a file's own time may be any.
    """

    mark: tuple[Any, ...]
    changed_at: float
    _folder: Path
    _handle: int
    _name: str

    @property
    def path(self) -> Path:
        """Where it was found."""
        return self._folder / self.mark[0]

    def open(self) -> OpenedFile:
        """The file itself.

        Raises:
            OSError: it is gone, may not be read, or is a link or no file by now.
        """
        return OpenedFile(self.path, os.open(self._name, READ | os.O_NOFOLLOW, dir_fd=self._handle))


@dataclass(frozen=True)
class WaitingLink:
    """A link out of its folder; it is not followed."""

    path: Path
    target: str
    changed_at: float


@dataclass(frozen=True)
class Waiting:
    """What is in a folder and nobody is writing any more; `odd` is what never lands, by name, and why."""

    files: list[WaitingFile]
    links: list[WaitingLink]
    odd: dict[str, str]


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold a dataset's folder open, which may not be a link out of the landing folder.

    Raises:
        OSError: there is no such folder, or it is such a link.
    """
    if folder.is_symlink():  # to another dataset's folder, or else it has just been swapped in
        folder = folder.with_name(Path(os.path.realpath(folder)).name)
    handle = os.open(folder, FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


def waiting(folder: Path, handle: int) -> Waiting:
    """What waits in the folder that `handle` holds open; files are to be opened while it does.

    A link that leads to another name in the same folder stands for the file there: everything else is a link out.
    """
    found = Waiting([], [], {})
    with os.scandir(handle) as entries:
        names = sorted(entry.name for entry in entries if not UNFINISHED.search(entry.name))
    for name in names:
        try:
            _look(folder, handle, name, found)
        except FileNotFoundError:  # somebody has taken it away
            continue
    return found


def _look(folder: Path, handle: int, name: str, found: Waiting) -> None:
    own_name, status = name, _status(handle, name)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(name, dir_fd=handle)
        inside = _name_inside(folder, handle, target)
        if inside is None:
            found.links.append(WaitingLink(folder / name, target, status.st_ctime))
            return
        if UNFINISHED.search(inside):
            found.odd[name] = "a link to a file that is not finished"
            return
        try:
            own_name, status = inside, _status(handle, inside)
        except OSError as error:
            found.odd[name] = f"a link that leads nowhere ({error.strerror})"
            return
    kind = kind_of(status)
    if kind is None:
        mark = fingerprint(name, status)
        found.files.append(WaitingFile(mark, status.st_ctime, folder, handle, own_name))
    else:
        found.odd[name] = SUBFOLDER if stat.S_ISDIR(status.st_mode) else f"{kind}, not a file"


def _status(handle: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=handle, follow_symlinks=False)


def _name_inside(folder: Path, handle: int, target: str) -> str | None:
    """The name in the folder that a link in it leads to; None: it leads out."""
    place, name = os.path.split(target)
    if name in ("", ".", ".."):
        return None
    try:
        same = os.path.samestat((folder / place).stat(), os.fstat(handle))
    except OSError:
        return None
    return name if same else None


@dataclass(frozen=True)
class Arrivals:
    """When the newest and the oldest of what waits were put in place.

    A file's own time may be any: this is when it last was written to or got its name.
    """

    newest: float
    oldest: float
    """Of what can be opened, if anything can: a file that never lands must not hurry the others."""


def arrivals(files: Sequence[WaitingFile], links: Sequence[WaitingLink]) -> Arrivals | None:
    """The arrivals of these files and links; None if there is nothing."""
    times = [file.changed_at for file in files] + [link.changed_at for link in links]
    opened = [file.changed_at for file in files if _opens(file)] + [link.changed_at for link in links]
    return Arrivals(max(times), min(opened or times)) if times else None


def _opens(file: WaitingFile) -> bool:
    try:
        file.open().close()
    except OSError:
        return False
    return True
