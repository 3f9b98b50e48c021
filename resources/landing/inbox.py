"""The inbox: a folder anywhere that fsspec reaches, from which finished files are fetched into the landing folders."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from resources.credentials import redact
from resources.landing.folders import DATASET_NAME, UNFINISHED, dataset_folder
from resources.landing.ignored_files import told, why
from resources.landing.opened import READ, OpenedFile
from resources.landing.waiting import SUBFOLDER, held
from resources.locks import only_writer_of_file
from resources.redacted_errors import redacted
from ser.errors import SerError

_CHANGES = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "modificationTime", "created")
"""What file systems call the thing that changes with a file's content."""

_OF_THE_FILE = (errno.EINVAL, errno.EACCES, errno.ELOOP)
"""Why one file there cannot be opened, which keeps no other from being fetched."""
_LINK = "a link is not followed; put the file itself there"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = READ | os.O_NOFOLLOW
_BLOCK = 2**20
_LONGEST = 100


def datasets_in(uri: str, tell: Callable[[str], None] = lambda line: None) -> list[str]:
    """The datasets that have a folder in the inbox.

    Args:
        tell: hears of what is in a place that nothing is fetched from.

    Raises:
        SerError: the inbox cannot be read.
    """
    import fsspec

    names: list[str] = []
    passed_over: dict[str, str] = {}
    try:
        files, base = fsspec.core.url_to_fs(uri)
        for entry in _entries(files, base):
            name, is_folder = _name(entry), entry["type"] == "directory"
            if is_folder and DATASET_NAME.fullmatch(name):
                names.append(name)
            elif not UNFINISHED.search(name):
                passed_over[name] = _LINK if _is_link(entry) else why(name, folder=is_folder)
    except Exception as error:  # noqa: BLE001 - every client of a file system has errors of its own
        raise _failed(uri, error) from redacted(error)
    for line in told(passed_over):
        tell(line)
    return names


def fetch(uri: str, root: Path, dataset: str, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Copy the files of `<uri>/<dataset>/` that are not here yet to `landing/<dataset>/`, and return the copies.

    The inbox is only read. A copy is named by where it comes from and by its size and time there, so that a file that
    was replaced is fetched again.

    Args:
        tell: hears of what is in a place that nothing is fetched from.

    Raises:
        SerError: the folder cannot be read, or not all of it; or its place here is a link out of the landing folder.
    """
    import fsspec

    target = dataset_folder(root, dataset)
    passed_over: dict[str, str] = {}
    with only_writer_of_file(root / ".inbox" / dataset):
        try:
            target.mkdir(parents=True, exist_ok=True)
            files, base = fsspec.core.url_to_fs(uri)
            with held(target) as handle:
                copies = _fetch_folder(files, f"{base.rstrip('/')}/{dataset}", target, handle, passed_over)
        except Exception as error:  # noqa: BLE001 - every client of a file system has errors of its own
            raise _failed(f"{uri}/{dataset}", error) from redacted(error)
    for line in told(passed_over):
        tell(line)
    return copies


def _failed(place: str, error: Exception) -> SerError:
    return SerError(
        redact(f"the inbox {place} cannot be read, or not all of it: {type(error).__name__}: {error}. ")
        + "Check automation.inbox in ser.toml, and whether it is up."
    )


def _fetch_folder(files: Any, source: str, target: Path, handle: int, passed_over: dict[str, str]) -> list[Path]:
    copies = []
    for entry in _entries(files, source):
        name, copy = _name(entry), target / _copy_name(entry)
        if UNFINISHED.search(name):
            continue
        if _is_link(entry):
            passed_over[f"{target.name}/{name}"] = _LINK
        elif entry["type"] == "directory":
            passed_over[f"{target.name}/{name}"] = SUBFOLDER
        elif entry["type"] != "file":
            passed_over[f"{target.name}/{name}"] = "not a file"
        elif not copy.exists():
            with ExitStack() as stack:
                try:
                    remote = stack.enter_context(_open(files, entry["name"]))
                except OSError as error:
                    if error.errno not in _OF_THE_FILE:
                        raise
                    passed_over[f"{target.name}/{name}"] = str(error.strerror)
                    continue
                _copy(remote, copy.name, handle)
            copies.append(copy)
    return copies


def _copy(remote: IO[bytes], name: str, folder: int) -> None:
    """Copy an open file into a folder that is held open: whoever may put files there chooses not what is written to."""
    temporary = f".{name}.tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)  # half of it, which a killed process left, or a link
    with os.fdopen(os.open(temporary, _NEW, 0o666, dir_fd=folder), "wb") as file:
        shutil.copyfileobj(remote, file, _BLOCK)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


@contextmanager
def _open(files: Any, source: str) -> Iterator[IO[bytes]]:
    """A file of the inbox; one on this machine may have been swapped for a link since it was listed."""
    from fsspec.implementations.local import LocalFileSystem

    if not isinstance(files, LocalFileSystem):
        with files.open(source, "rb") as file:
            yield file
        return
    path = Path(source)
    with held(path.parent) as folder, OpenedFile(path, os.open(path.name, _READ, dir_fd=folder)) as file:
        yield file.open()


def _is_link(entry: Mapping[str, Any]) -> bool:
    return entry["type"] == "link" or bool(entry.get("islink"))


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
