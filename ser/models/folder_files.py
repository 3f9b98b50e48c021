"""The files of a model folder: which of them may be read, and the JSON in them."""

import json
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ser.errors import SerError, is_failure, shortened

_READ = (".json", ".jinja", ".safetensors", ".model", ".txt", ".tiktoken")
"""Endings of what transformers may open."""

_MB = 2**20
_LIMITS = {"tokenizer.json": 256 * _MB}
_LIMITS_BY_KIND = {".json": 16 * _MB, ".jinja": _MB, ".model": 64 * _MB, ".txt": 64 * _MB, ".tiktoken": 64 * _MB}
"""Several times what the largest published models have."""

_SHOWN = 3
Loaded = TypeVar("Loaded")


def loading(folder: Path, load: Callable[[], Loaded]) -> Loaded:
    """Call a loader of transformers, and say which folder is damaged when it fails.

    Raises:
        SerError: whatever the loader raised, a panic of the tokenizer's library included.
    """
    try:
        return load()
    except SerError:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        if "trust_remote_code" in str(error):
            raise SerError(
                f"the model in {folder} needs code of its own, which is never run. Use a model that transformers knows."
            ) from error
        raise unreadable(folder, shortened(error)) from error


def unreadable(folder: Path, reason: str) -> SerError:
    """The error of a model folder that is damaged."""
    return SerError(f"the model in {folder} cannot be loaded: {reason}. Replace the folder.")


def wording(text: str) -> str:
    """A part of an error's text: another wording of it is no other computation (`resources.code_version`)."""
    return text


def some_of(names: Iterable[str]) -> str:
    """The first few of some names, and how many there are besides."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN:,} more" if len(ordered) > _SHOWN else ""
    return ", ".join(name[:100] for name in ordered[:_SHOWN]) + more


def check_files(folder: Path) -> None:
    """Check that what transformers may open is in the folder, is a file and has a size that is possible.

    Raises:
        SerError: names the file. Links may lead to other places in the folder, and into the cache of the hub.
    """
    home = folder.resolve()
    for path in sorted((*folder.glob("*"), *(folder / "chat_templates").glob("*"))):
        if path.suffix not in _READ:
            continue
        name = path.relative_to(folder).as_posix()
        target = _target(folder, path)
        if not target.is_relative_to(home) and not _is_of_hub_cache(target):
            raise SerError(
                f"{folder}: {name} is a link that leads out of the folder. Put the file itself into the folder."
            )
        status = target.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise SerError(f"{folder}: {name} is neither a file nor a folder. Remove it.")
        limit = _LIMITS.get(name, _LIMITS_BY_KIND.get(path.suffix))
        if limit is not None and status.st_size > limit:
            raise SerError(
                f"{folder}: {name} has {status.st_size / _MB:,.0f} MB; no model needs more than {limit // _MB}. "
                "Replace the folder."
            )


def _target(folder: Path, path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise SerError(f"{folder}: {path.name} is a link that leads nowhere. Replace the folder.") from error


def _is_of_hub_cache(target: Path) -> bool:
    """Whether a file is a blob of the hub's cache: of one model, or of the store that models share."""
    folder = target.parent
    of_a_model = folder.name == "blobs" and folder.parent.name.startswith("models--")
    return of_a_model or (folder.parent.name == "blobs" and len(target.name) == 64 and target.name[:2] == folder.name)


def read_json(path: Path, unique: bool = False) -> dict[str, Any]:
    """The object in a JSON file of a model folder. With `unique` no key may stand in it twice.

    Raises:
        ValueError: it is something else.
        OSError: it cannot be read.
    """
    return parse_json(path.read_bytes(), unique)


def parse_json(data: bytes, unique: bool = False) -> dict[str, Any]:
    """The object in some JSON.

    Raises:
        ValueError: it is something else, is nested too deep, or (with `unique`) has a key twice.
    """
    try:
        content = json.loads(data, object_pairs_hook=_without_repetition if unique else None)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"it has {twice[:100]!r} twice")
    return content
