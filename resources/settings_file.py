"""Where the settings come from: one file, `ser.toml`, a recipe below it, the environment and flags above it."""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from resources.settings import Settings
from ser.errors import SerError
from ser.method.recipe import RECIPES

ROOT = Path(__file__).resolve().parents[1]
"""The project: `ser.toml` and, unless `SER_DATA` says otherwise, `data` are here."""

RESERVED = {"SER_DATA", "SER_CONFIG", "SER_DEBUG"}
"""Environment variables that say where things are, or how much to say; every other `SER_…` variable is a setting."""


def data_root() -> Path:
    """Where everything is stored: `SER_DATA`, else `data` in the project."""
    return Path(os.environ.get("SER_DATA") or ROOT / "data").resolve()


def settings_file() -> Path:
    """Where the settings are: the file that `SER_CONFIG` names, else `ser.toml` in the project."""
    return Path(os.environ.get("SER_CONFIG") or ROOT / "ser.toml")


def load_settings(*, assignments: Sequence[str] = (), **overrides: Any) -> Settings:
    """The settings of `ser.toml` (or the file `SER_CONFIG` names), overridden by the environment, then by `overrides`.

    Args:
        assignments: `KEY=VALUE` as `ser run --set` takes them, for instance `thresholds.tau_high=0.6`.
        overrides: settings that a command or a run's configuration says; None for those that it does not.

    Raises:
        SerError: a setting is unknown or impossible; names the key, what is allowed, the nearest valid key, and the
            variable or the assignment that set it, if any. Or the file that `SER_CONFIG` names is not there.
    """
    values = _read(settings_file())
    origins: dict[tuple[str, ...], str] = {}
    for name, text in sorted(os.environ.items()):
        if name.startswith("SER_") and name not in RESERVED:
            place = name[4:].lower().split("__")
            _put(values, place, _value(text), name)
            origins[tuple(place)] = name
    for assignment in assignments:
        key, sign, text = assignment.partition("=")
        if not sign or not key.strip():
            raise SerError(f"--set {assignment} is no setting: write KEY=VALUE, for instance thresholds.tau_high=0.6.")
        place = key.strip().split(".")
        _put(values, place, _value(text.strip()), f"--set {key}")
        origins[tuple(place)] = f"--set {key.strip()}"
    for name, value in overrides.items():
        if value is not None:
            _put(values, [name], value, name)
            origins[name,] = name
    defaults = _over(Settings().model_dump(), _recipe(values, origins))
    try:
        settings = Settings.model_validate(_over(defaults, values))
    except ValidationError as error:
        raise SerError(_explain(error, origins)) from error
    return settings.model_copy(update={"compute": settings.compute.resolved()})


def _recipe(values: Mapping[str, Any], origins: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """The settings that the named recipe stands for: one of ours, or a section of [recipes] over `paper`.

    Raises:
        SerError: there is no such recipe, or its section says more than a recipe can.
    """
    name, own = values.get("recipe", "paper"), values.get("recipes", {})
    if isinstance(own, dict) and isinstance(own.get(name), dict):
        if unknown := own[name].keys() - {"loops", "thresholds", "method"}:
            raise SerError(
                f"recipes.{name}: {min(unknown)!r} is no part of a recipe.\nAllowed here: loops, method, thresholds."
            )
        return dict(own[name])
    if name not in RECIPES:
        known = sorted({*RECIPES, *own})
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        origin = origins.get(("recipe",))
        where = f"Change {origin}." if origin else "Change it in ser.toml."
        said = f"setting 'recipe' is impossible: there is no recipe {name!r}.{hint}"
        raise SerError(f"{_prefix(origin, 'recipe')}{said} Known: {', '.join(map(repr, known))}.\n{where}")
    values_of = RECIPES[name].model_dump()
    return {"loops": values_of.pop("loops"), "thresholds": values_of.pop("thresholds"), "method": values_of}


def _read(path: Path) -> dict[str, Any]:
    """What a settings file says; nothing if there is none where nobody asked for one."""
    if not path.exists():
        if os.environ.get("SER_CONFIG"):
            raise SerError(
                f"SER_CONFIG names {path}, and there is no such file.\n"
                "Make it (empty, it says that everything has its default), or unset SER_CONFIG."
            )
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin files with a mark
    except (OSError, ValueError) as error:
        raise SerError(f"{path} cannot be read: {error}. Mend the file; it is TOML.") from error


def _over(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with `values` in their places: a key that is set leaves its neighbours as they are."""
    merged = {**defaults, **values}
    for name, value in values.items():
        below = defaults.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[name] = _over(below, value)
    return merged


def _put(values: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    """Set `values[path[0]][path[1]]…` without disturbing its neighbours."""
    *sections, key = path
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise SerError(f"{name}: {section!r} is a single setting, not a section.")
    values[key] = value


def _value(text: str) -> Any:
    """An environment variable as TOML would read it, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, origins: Mapping[tuple[str, ...], str]) -> str:
    """The first problem in one or two lines.

    Args:
        origins: what each place was set by: a variable, a `--set`, or the setting itself, where a command or a run's
            configuration said it; all other values are of the file.
    """
    problem = error.errors()[0]
    place = tuple(part for part in problem["loc"] if isinstance(part, str) and part != "[key]")
    key = ".".join(place)
    # A variable may set a whole section; and of a section that is wrong as a whole, it may have set a part.
    named = [name for path, name in origins.items() if path == place[: len(path)] or place == path[: len(place)]]
    if problem["type"] == "extra_forbidden":
        *section, wrong = place
        known = _fields(section)
        near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
        nearest = [*section, *near]
        variable = bool(named) and named[0].startswith("SER_")
        meant = f"SER_{'__'.join(nearest).upper()}" if variable else repr(".".join(nearest))
        hint = f" Did you mean {meant}?" if near else ""
        origin = _prefix(named[0] if named else None, key)
        return f"{origin}unknown setting {key!r}.{hint}\nAllowed here: {', '.join(known)}."
    message = problem["msg"].removeprefix("Value error, ")
    said = f"setting {key or 'ser.toml'!r} is impossible: {message} (got {problem['input']!r})."
    if named:
        return f"{_prefix(', '.join(named), key)}{said}\nChange {named[0]}."
    return f"{said}\nChange it in ser.toml."


def _prefix(origin: str | None, key: str) -> str:
    """What stands before a problem with the setting `key`: by what it was set, where the key does not say so."""
    return f"{origin}: " if origin and origin != key else ""


def _fields(place: Sequence[str]) -> list[str]:
    """The settings that exist in the section at `place`."""
    model: type[BaseModel] = Settings
    parts = iter(place)
    for part in parts:
        annotation: Any = model.model_fields[part].annotation
        if get_origin(annotation) is dict:  # a name of the user's own comes next
            annotation = get_args(annotation)[1]
            next(parts, None)
        kinds = (annotation,) if isinstance(annotation, type) else get_args(annotation)
        model = next(kind for kind in kinds if issubclass(kind, BaseModel))
    return sorted(model.model_fields)
