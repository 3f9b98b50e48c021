"""Presets: a model with its optimiser, arithmetic and execution settings, in a file that a person can read."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from resources.credentials import redact
from resources.refused_credentials import refuse_credentials
from resources.settings import Settings
from resources.settings_errors import Origins, explain, prefix
from ser.errors import SerError

FOLDER = Path(__file__).with_name("presets")
SECTIONS = ("backbone", "compute", "encoding", "ppo", "reward_model")
"""What a preset may say: it names a model and how that is computed and trained, never what is done with it."""


def read_preset(name: str, origins: Origins, beside: Path) -> dict[str, Any]:
    """The settings of a preset of ours, or of a user's own file, whose name ends in `.toml`.

    Args:
        origins: what set the setting `preset`, if not the settings file.
        beside: the settings file; a relative name is looked for in its folder first, then in the working directory.

    Raises:
        SerError: there is no such preset, or it says what a preset cannot; names the file and the key.
    """
    path = _own_file(name, beside) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in (known := presets()):
        raise unknown_name("preset", name, known, origins)
    if not path.is_file():
        origin = origins.get("preset")
        raise SerError(
            f"{prefix(origin, 'preset')}setting 'preset' is impossible: there is no file {redact(str(path))}.\n"
            f"Name a file, or one of {', '.join(presets())}."
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SerError(f"preset {path} cannot be read: {error}. Mend the file; it is TOML.") from error
    _check(path, values)
    return values


def presets() -> list[str]:
    """The names of our presets."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def unknown_name(setting: str, name: str, known: Iterable[str], origins: Origins) -> SerError:
    """What is wrong where the recipe or preset `name` is none of those that there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    origin = origins.get(setting)
    what = f"setting {setting!r} is impossible: there is no {setting} {name!r}.{hint}"
    known_names = ", ".join(map(repr, names))
    return SerError(f"{prefix(origin, setting)}{what} Known: {known_names}.\nChange {origin or 'it in ser.toml'}.")


def _own_file(name: str, beside: Path) -> Path:
    path = Path(name).expanduser()
    near = beside.parent / path
    return near if near.is_file() else path


def _check(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse what a preset cannot say, before other settings lie over it and an error would name those."""
    if unknown := values.keys() - set(SECTIONS):
        raise SerError(f"{path}: {min(unknown)!r} is no part of a preset.\nAllowed here: {', '.join(SECTIONS)}.")
    refuse_credentials(values, {}, str(path))
    try:
        Settings.model_validate(values)
    except ValidationError as error:
        raise SerError(explain(error, {"": str(path)})) from error
