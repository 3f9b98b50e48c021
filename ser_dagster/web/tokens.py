"""The token that opens the page, and the files that only their owner may read."""

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from ser.errors import SerError

TOKEN = re.compile(r"[0-9A-Za-z_-]{32,}")
"""What a token may look like: it stands in URLs, cookies and headers."""


def kept_token(folder: Path, read_only: bool) -> str:
    """The token in a folder, made when there is none, or one that others could have read.

    A page for an audience has another one: who was shown a page must not be able to command the next.
    """
    path = folder / ("token-read-only" if read_only else "token")
    with suppress(OSError):  # one that cannot be read is none
        status = path.lstat()
        private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
        if private and TOKEN.fullmatch(kept := path.read_text("latin-1")):  # any bytes are some text in it
            return kept
    token = secrets.token_urlsafe(32)
    write_private(path, token)
    return token


def write_private(path: Path, text: str) -> None:
    """Write a text that nobody but this user may read.

    Raises:
        SerError: a folder is in its place.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    for place in (path, temporary):
        if place.is_dir() and not place.is_symlink():
            raise SerError(
                f"{place} is a folder, where a file of the page belongs.\nMove it away, and start again: ser ui"
            )
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
