"""The token that opens the page, and the files that only their owner may read."""

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

TOKEN = re.compile(r"[0-9A-Za-z_-]{32,}")
"""What a token may look like: it stands in URLs, cookies and headers."""


def kept_token(folder: Path, read_only: bool) -> str:
    """The token in a folder, made when there is none, or one that others could have read.

    A page for an audience has another one: who was shown a page must not be able to command the next.
    """
    path = folder / ("token-read-only" if read_only else "token")
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077 and TOKEN.fullmatch(path.read_text()):
            return path.read_text()
    token = secrets.token_urlsafe(32)
    write_private(path, token)
    return token


def write_private(path: Path, text: str) -> None:
    """Write a text that nobody but this user may read."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
