"""The inbox: a folder anywhere that fsspec reaches, from which finished files are fetched into the landing folders."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from resources.credentials import redact
from resources.disk import replace
from resources.landing.folders import DATASET_NAME, UNFINISHED, dataset_folder
from resources.landing.ignored_files import told, why
from resources.landing.waiting import SUBFOLDER
from resources.locks import only_writer_of_file
from resources.redacted_errors import redacted
from ser.errors import SerError

_CHANGES = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "modificationTime", "created")
"""What file systems call the thing that changes with a file's content."""

_LONGEST = 100


def fetch(uri: str, root: Path, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Copy the files of `<uri>/<dataset>/` that are not here yet to `landing/<dataset>/`, and return the copies.

    The inbox is only read. A copy is named by where it comes from and by its size and time there, so that a file that
    was replaced is fetched again. A folder that fails keeps no other from being fetched.

    Args:
        tell: hears of what is in a place that nothing is fetched from.

    Raises:
        SerError: the inbox cannot be read, or not all of it.
    """
    import fsspec

    landing = root / "landing"
    copies: list[Path] = []
    passed_over: dict[str, str] = {}
    failures: dict[str, Exception] = {}
    with only_writer_of_file(landing / ".inbox.lock"):
        try:
            files, base = fsspec.core.url_to_fs(uri)
            for entry in _entries(files, base):
                name, is_folder = _name(entry), entry["type"] == "directory"
                if is_folder and DATASET_NAME.fullmatch(name):
                    try:
                        copies += _fetch_folder(files, entry["name"], dataset_folder(root, name), passed_over)
                    except Exception as error:  # noqa: BLE001 - told when the others are fetched
                        failures[name] = error
                elif not UNFINISHED.search(name):
                    passed_over[name] = why(name, folder=is_folder)
        except Exception as error:  # noqa: BLE001 - every client of a file system has errors of its own
            failures[uri] = error
    for line in told(passed_over):
        tell(line)
    if failures:
        what = "; ".join(f"{place}: {error!r}" for place, error in failures.items())
        raise SerError(
            redact(f"the inbox {uri} cannot be read, or not all of it: {what}. ")
            + "Check automation.inbox in ser.toml, and whether it is up."
        ) from redacted(next(iter(failures.values())))
    return copies


def _fetch_folder(files: Any, source: str, target: Path, passed_over: dict[str, str]) -> list[Path]:
    target.mkdir(exist_ok=True)
    copies = []
    for entry in _entries(files, source):
        if UNFINISHED.search(_name(entry)):
            continue
        copy = target / _copy_name(entry)
        if entry["type"] == "directory":
            passed_over[f"{target.name}/{_name(entry)}"] = SUBFOLDER
        elif entry["type"] == "file" and not copy.exists():
            temporary = target / f".{copy.name}.tmp"  # one that was left half-written is written over
            files.get_file(entry["name"], str(temporary))
            replace(temporary, copy)
            copies.append(copy)
    return copies


def _entries(files: Any, folder: str) -> list[Any]:
    """What is in a folder; object stores may name the folder itself among it, as something empty."""
    found = files.ls(folder, detail=True)
    return [entry for entry in found if entry.get("size") or entry["name"].strip("/") != folder.strip("/")]


def _name(entry: Mapping[str, Any]) -> str:
    """The last part of where an entry is; of a web address without its parameters, which may be a signature."""
    place = str(entry["name"])
    if place.startswith(("http://", "https://")):
        place = place.partition("?")[0].partition("#")[0]
    return place.rstrip("/").rpartition("/")[2]


def _copy_name(entry: Mapping[str, Any]) -> str:
    """A name that is safe in any folder, and keeps the end of the file's own, which says what kind of file it is."""
    identity = [str(entry["name"]), str(entry.get("size")), *(str(entry[key]) for key in _CHANGES if key in entry)]
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()
    return f"{digest[:16]}-{re.sub(r'[^A-Za-z0-9._-]', '_', _name(entry))[-_LONGEST:]}"
