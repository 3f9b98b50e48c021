"""The folder `.landed` of a dataset, held open by whoever has its lock: no other can be put in its place meanwhile."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from resources.landing.opened import kind_of
from resources.landing.waiting import FOLDER, held
from resources.locks import lock_of
from ser.errors import SerError

_NAME = ".landed"
_OF_THIS_PROCESS = Path("/proc/self/fd")
"""Where Linux has what a process holds open as paths, which no name on the way to it can change."""
_INSIDE = re.compile(rf"{_OF_THIS_PROCESS}/\d+/?")


class StoreFolder:
    """`.landed` in the folder that files are put into, where others may make and rename files, folders and links.

    Attributes:
        shown: its path, for people.
        place: its path, for reading and writing.
    """

    def __init__(self, dataset_folder: Path):
        self.shown = self.place = dataset_folder / _NAME
        self._parent = -1

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder, which is made if need be, for one landing; the lock dies with the process.

        Raises:
            SerError: it, or something in it, is a link or no file: whoever can put files beside it must not choose what
                is written, or cleared away, elsewhere.
        """
        while True:
            with self._shown_in_errors(), ExitStack() as stack:
                handle = self._hold(stack)
                place = _path_of(handle, self.shown)
                # Whoever held the lock before may have moved the folder away, or removed it: then there is a new one.
                if stack.enter_context(lock_of(place / "lock", os.O_RDWR | os.O_CREAT)) and self._is_in_place(handle):
                    self.place = place
                    stack.callback(setattr, self, "place", self.shown)
                    self._refuse_links()
                    yield
                    return

    @contextmanager
    def _shown_in_errors(self) -> Iterator[None]:
        """Let errors of the system name the path that people know."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and (found := _INSIDE.match(error.filename)):
                error.filename = str(self.shown / error.filename[found.end() :])
            raise

    def remove(self) -> None:
        """Remove the folder and, if nothing else is in it, the one it is in. Only under the lock."""
        shutil.rmtree(_NAME, dir_fd=self._parent)
        with os.scandir(self._parent) as others:
            empty = not any(others)
        if empty:
            self.shown.parent.rmdir()

    def _hold(self, stack: ExitStack) -> int:
        self.shown.parent.mkdir(parents=True, exist_ok=True)
        self._parent = stack.enter_context(held(self.shown.parent))
        with suppress(FileExistsError):
            os.mkdir(_NAME, dir_fd=self._parent)
        self.refuse_link()
        handle = os.open(_NAME, FOLDER, dir_fd=self._parent)
        stack.callback(os.close, handle)
        return handle

    def refuse_link(self) -> None:
        """Stop if something else than a folder is in its place.

        Raises:
            SerError: it is.
        """
        if os.path.lexists(self.shown):
            self._refuse(self.shown)

    def _is_in_place(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self.shown.stat())
        except FileNotFoundError:
            return False

    def shown_as(self, path: Path) -> Path:
        """A path in the folder as people know it."""
        return self.shown / path.relative_to(self.place) if path.is_relative_to(self.place) else path

    def _refuse_links(self) -> None:
        for path in self.place.iterdir():
            self._refuse(path)

    def _refuse(self, path: Path) -> None:
        kind = kind_of(path.lstat())
        if kind is not None and not stat.S_ISDIR(path.lstat().st_mode):
            raise SerError(
                f"{self.shown_as(path)} is {kind}, which ser has not made, and is not used. Nothing was changed.\n"
                "Take it away, and put what was there back from a backup."
            )


def _path_of(handle: int, shown: Path) -> Path:
    """A path to the folder that `handle` holds open; elsewhere than on Linux there is none but its own."""
    path = _OF_THIS_PROCESS / str(handle)
    return path if path.exists() else shown
