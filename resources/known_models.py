"""Pretrained models are hashed and tried once, and then known by the path, sizes and times of their files."""

import json
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from resources.disk import file_digest, write_text
from resources.manifests import digest_of, file_digests
from ser.errors import SerError
from ser.models.probe import probe

_DIGESTS, _TRIED = "known_models.json", "tried_models.json"
_TRIED_WITH = ("transformers", "tokenizers", "jinja2")
_SETTLED = 2.0
"""Seconds: a file that was written this lately may be written again within a tick of the clock, and keep its time."""


def known_digest(root: Path, model: Path) -> str:
    """The digest of everything in a model folder, or of a model file, that is not ours.

    `known_models.json` in the data root remembers it: a process reads the bytes only where a file is new, or has
    another size or time of change than when it was read.

    Raises:
        SerError: the folder has no file.
    """
    place, files = root / _DIGESTS, _files(model)
    if not files:
        raise SerError(f"the model folder {model} is empty. Check backbone.model in ser.toml.")
    remembered = remembered_digest(root, model)
    if remembered is not None:
        return remembered
    digest = digest_of(file_digests(model)) if model.is_dir() else file_digest(model)
    newest = max(changed for _, changed in files.values()) / 1e9
    if files == _files(model) and time.time() - newest > _SETTLED:
        write_text(place, json.dumps(_known(place) | {str(model.resolve()): {"files": files, "digest": digest}}) + "\n")
    return digest


def remembered_digest(root: Path, model: Path) -> str | None:
    """The digest of a model that `known_digest` has read, if its files are as they were; nothing is read for it."""
    entry = _known(root / _DIGESTS).get(str(model.resolve()))
    digest = entry.get("digest") if isinstance(entry, dict) and entry.get("files") == _files(model) else None
    return digest if isinstance(digest, str) else None


def hub_digest(model: str, folder: Path) -> str:
    """What stands for a model of the hub: its name and its commit, which the hub's cache calls its folder by."""
    return digest_of({"hub": model, "commit": folder.name})


def try_once(root: Path, model: Path, digest: str) -> None:
    """Try the tokenizer and the chat template of a model folder that is not ours, if nobody did with these libraries.

    `tried_models.json` in the data root remembers the content, of which `digest` is the digest.

    Raises:
        SerError: as `ser.models.probe.probe`.
    """
    if not was_tried(root, digest):
        probe(model)
        place = root / _TRIED
        write_text(place, json.dumps(_known(place) | {digest: _libraries()}) + "\n")


def was_tried(root: Path, digest: str | None) -> bool:
    """Whether `try_once` knows the content with this digest."""
    return digest is not None and _known(root / _TRIED).get(digest) == _libraries()


def _libraries() -> dict[str, str]:
    return {name: metadata.version(name) for name in _TRIED_WITH}


def _files(model: Path) -> dict[str, list[int]]:
    """Size and time of change of each file, by its name in the folder."""
    paths = [path for path in sorted(model.rglob("*")) if path.is_file()] if model.is_dir() else [model]
    found = {}
    for path in paths:
        status = path.stat()
        found[path.relative_to(model).as_posix()] = [status.st_size, status.st_mtime_ns]
    return found


def _known(place: Path) -> dict[str, Any]:
    """What is remembered; nothing if that was damaged: then it is found out again."""
    try:
        known: dict[str, Any] = json.loads(place.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
