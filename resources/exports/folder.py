"""Exported folders: whole or not there, and replaced in one step; nobody else's files are ever touched."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources.disk import exchange, fsync, replace, write_text
from resources.locks import only_writer
from resources.manifests import file_digests
from ser.errors import SerError

MANIFEST = ".ser-export.json"
"""What was exported, from what, and the digest of every file. Hidden: `datasets` would read it as data."""


@dataclass(frozen=True)
class Exported:
    """A finished export: its folder (or file), what was found out while it was made, and whether it was there."""

    place: Path
    found: Mapping[str, Any]
    reused: bool


def resolved(to: str | Path) -> Path:
    """The place that a user names, as an absolute path without links."""
    return Path(to).expanduser().resolve()


def export_folder(place: Path, kind: str, identity: str, write: Callable[[Path], Mapping[str, Any]]) -> Exported:
    """Let `write` fill a temporary sibling of `place`, then put it in place; what it returns is kept in the manifest.

    An export of the same kind and `identity` that is whole is left as it is; another of the same kind is replaced.

    Raises:
        SerError: `place` holds something else, or cannot be written.
    """
    earlier_export(place, kind)
    temporary = place.with_name(f".{place.name}.ser-export.tmp")
    try:
        with only_writer(temporary):
            earlier = earlier_export(place, kind)
            if earlier and earlier["identity"] == identity and earlier["files"] == _digests(place):
                return Exported(place, earlier["found"], reused=True)
            _clear(temporary)  # of an export that was killed
            try:
                found = dict(write(temporary))
                _finish(temporary, {"export": kind, "identity": identity, "found": found})
                _put(temporary, place)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    except OSError as error:
        raise SerError(
            f"cannot export to {place}: {error.strerror or error}. Nothing was changed. Mend that, or name another "
            "folder."
        ) from error
    return Exported(place, found, reused=False)


def earlier_export(place: Path, kind: str) -> dict[str, Any] | None:
    """The manifest of the export of ours in `place`; None if there is nothing.

    Raises:
        SerError: there is something else that must not be lost.
    """
    if not place.exists():
        return None
    if not place.is_dir():
        raise SerError(f"{place} is a file. Name a folder.")
    if not any(place.iterdir()):
        return None
    try:
        manifest = json.loads((place / MANIFEST).read_text())
        files = {*manifest["files"], MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        raise SerError(f"{place} is not empty and is no earlier export. Name another folder, or empty it.") from None
    if manifest["export"] != kind:
        raise SerError(f"{place} holds an export of {manifest['export']}. Name another folder for {kind}.")
    entries = (path for path in sorted(place.rglob("*")) if path.is_symlink() or not path.is_dir())
    foreign = [name for path in entries if (name := path.relative_to(place).as_posix()) not in files]
    if foreign:
        raise SerError(f"{place} holds {foreign[0]}, which no export wrote. Move it away, or name another folder.")
    return manifest


def _finish(folder: Path, facts: Mapping[str, Any]) -> None:
    """Flush everything and write the manifest last."""
    digests = _digests(folder)
    for name in digests:
        fsync(folder / name)
    manifest = {**facts, "exported_at": datetime.now(UTC).isoformat(), "files": digests}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _put(temporary: Path, place: Path) -> None:
    if place.exists() and any(place.iterdir()):
        exchange(temporary, place)
        shutil.rmtree(temporary)
    else:
        replace(temporary, place)


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in file_digests(folder).items() if name != MANIFEST}


def _clear(folder: Path) -> None:
    """Remove what is in a folder, but not the folder, which carries the lock."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()
