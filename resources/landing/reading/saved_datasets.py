"""Folders that `datasets.save_to_disk` writes."""

import json
from pathlib import Path
from typing import Any

from resources.landing.opened import NamedFile
from ser.errors import SerError

_MOST = 2**24
"""Bytes of a description beyond which it is none."""
_STATE, _SPLITS = "state.json", "dataset_dict.json"


def files_of(path: Path) -> list[Path]:
    """The files with the rows of a path: itself, or those of the dataset that was saved there.

    Raises:
        SerError: a folder that is no saved dataset, has several splits, or is incomplete.
    """
    if not path.is_dir():
        return [path]
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
    files = [path / name for name in names]
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise SerError(
            f"{path} is an incomplete saved dataset, without {', '.join(missing) or 'data files'}.\nSave it again."
        )
    if away := next((file for file in files if not _belongs(file, path)), None):
        raise SerError(
            f"{away} is a link out of the saved dataset, to {away.resolve()}, and is not followed.\n"
            "Whoever made the folder chose it; if you trust it, name the file itself."
        )
    return files


def _belongs(file: Path, folder: Path) -> bool:
    """Whether a file is in a folder, or where the hub's cache keeps what it links to from there."""
    place, root = file.resolve(), folder.resolve()
    stores = [above.parent / "blobs" for above in root.parents if above.name == "snapshots"]
    return any(place.is_relative_to(home) for home in (root, *stores))


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
