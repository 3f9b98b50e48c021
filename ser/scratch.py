"""What a stage keeps in its folder for a later process, should this one be killed.

A stage never removes what it keeps: only whoever stores its summary knows when nobody needs it any more, and clears
all names of the form `.….tmp` then.
"""

import os
from pathlib import Path


def scratch_path(folder: Path, name: str) -> Path:
    """The file in `folder` that holds `name` until the stage is over."""
    return folder / f".{name}.tmp"


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a written file its name, once it is on the disk."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text so that a later process finds all of it or what was there before."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    put_in_place(temporary, path)
