"""Folders that `datasets.save_to_disk` writes."""

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.landing.opened import NamedFile, Openable, OpenedFile
from ser.errors import SerError

_MOST = 2**24
"""Bytes of a description beyond which it is none."""
_STATE, _SPLITS = "state.json", "dataset_dict.json"


@dataclass(frozen=True)
class SavedFile:
    """A file of the dataset that was saved in `folder`: a link that leads out of it was not made by who names it."""

    path: Path
    folder: Path

    def open(self) -> OpenedFile:
        """The file itself; see `Openable`."""
        file = NamedFile(self.path).open()
        place = self.path.resolve()  # afterwards: what was opened must be what lies where it is allowed to
        if self.is_away(place) or not os.path.samestat(os.fstat(file.handle), place.stat(follow_symlinks=False)):
            file.close()
            raise OSError(errno.ELOOP, "a link out of the saved dataset", str(self.path))
        return file

    def is_away(self, place: Path) -> bool:
        """Whether a place is neither in the folder nor where the hub's cache keeps what it links to from there."""
        root = self.folder.resolve()
        stores = [above.parent / "blobs" for above in root.parents if above.name == "snapshots"]
        return not any(place.is_relative_to(home) for home in (root, *stores))


def files_of(path: Path) -> Sequence[Openable]:
    """The files with the rows of a path: itself, or those of the dataset that was saved there.

    Raises:
        SerError: a folder that is no saved dataset, has several splits, or is incomplete.
    """
    if not path.is_dir():
        return [NamedFile(path)]
    if (path / _SPLITS).is_file():
        splits = _names(_read(path / _SPLITS).get("splits"))
        first = splits[0] if splits else "SPLIT"
        more = " and ".join(f"`ser land {path / name} --role test …`" for name in splits if name == "test")
        raise SerError(
            f"{path} holds the splits {', '.join(splits)}.\n"
            f"Land them one at a time: `ser land {path / first} …`{f' and {more}' if more else ''}"
        )
    if not (path / _STATE).is_file():
        raise SerError(f"{path} is a directory. Name the files in it: {path}/*.jsonl")
    listed = _read(path / _STATE).get("_data_files")
    names = _names([entry.get("filename") for entry in listed if isinstance(entry, dict)] if listed else None)
    files = [SavedFile(path / name, path) for name in names]
    missing = [file.path.name for file in files if not file.path.is_file()]
    if missing or not files:
        raise SerError(
            f"{path} is an incomplete saved dataset, without {', '.join(missing) or 'data files'}.\nSave it again."
        )
    if away := next((file.path for file in files if file.is_away(file.path.resolve())), None):
        raise SerError(
            f"{away} is a link out of the saved dataset, to {away.resolve()}, and is not followed.\n"
            "Whoever made the folder chose it; if you trust it, name the file itself."
        )
    return files


def _read(path: Path) -> dict[str, Any]:
    try:
        with NamedFile(path).open() as file, file.open() as stream:
            about = json.loads(stream.read(_MOST))
    except (OSError, ValueError, RecursionError) as error:
        raise SerError(f"{path} cannot be read: {error}.\nSave the dataset again.") from error
    return about if isinstance(about, dict) else {}


def _names(listed: Any) -> list[str]:
    """The names in a list of them that lead nowhere out of a folder."""
    names = listed if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name]
