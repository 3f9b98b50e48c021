"""What was put where nothing lands from: nothing is passed over without a word."""

from collections.abc import Mapping
from pathlib import Path

from resources.landing.folders import UNFINISHED, dataset_folders, links_out
from resources.landing.waiting import SUBFOLDER, held, waiting

_TOLD = 10


def misplaced(root: Path) -> list[str]:
    """What lies in the landing folder and never lands, and why; what is empty or unfinished is left alone."""
    landing, datasets, found = root / "landing", dataset_folders(root), {}
    named = {*datasets, *links_out(root)}
    for path in _finished(landing):
        if path.name not in named and (not _is_folder(path) or path.is_symlink() or _finished(path)):
            found[f"landing/{path.name}"] = why(path.name, folder=_is_folder(path))
    for dataset in datasets:
        found |= {f"landing/{dataset}/{name}": reason for name, reason in _misplaced_in(landing / dataset)}
    return told(found)


def _misplaced_in(folder: Path) -> list[tuple[str, str]]:
    try:
        with held(folder) as handle:
            odd = waiting(folder, handle).odd
    except OSError:  # it is not there, or whoever lands from it says why it cannot be read
        return []
    empty = [name for name, reason in odd.items() if reason is SUBFOLDER and not _finished(folder / name)]
    return [(name, reason) for name, reason in odd.items() if name not in empty]


def why(name: str, *, folder: bool) -> str:
    """Why something that is in no dataset's folder, and is none, does not land."""
    return f"{_plain(name)} cannot be the name of a dataset; rename it" if folder else "put it into a dataset's folder"


def told(found: Mapping[str, str]) -> list[str]:
    """Places and reasons as lines, and how many more there are."""
    lines = [f"{_plain(place)}: {reason}" for place, reason in found.items()]
    more = len(lines) - _TOLD
    return lines if more <= 0 else [*lines[:_TOLD], f"and {more:,} more in wrong places"]


def _finished(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not UNFINISHED.search(path.name))
    except OSError:  # it is not there, or whoever lands from it says why it cannot be read
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _plain(text: str) -> str:
    """A name may be any bytes."""
    return text if text.isprintable() else repr(text)
