"""Where settings come from: one file, `ser.toml`, recipe and preset below it, the environment and flags above it."""

import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.sources import DefaultSettingsSource

from resources.credentials import redact
from resources.preset_files import read_preset, unknown_name
from resources.refused_credentials import refuse_credentials
from resources.settings import Settings
from resources.settings_errors import Origins, explain, is_setting
from ser.errors import SerError
from ser.method.recipe import MOST_LOOPS, RECIPES

ROOT = Path(__file__).resolve().parents[1]
"""The project: `ser.toml` and, unless `SER_DATA` says otherwise, `data` are here."""

RESERVED = {"SER_DATA", "SER_CONFIG", "SER_DEBUG"}
"""Environment variables that say where things are, or how much to say; every other `SER_…` variable is a setting."""


def data_root() -> Path:
    """Where everything is stored: `SER_DATA`, else `data` in the project; it may have to be made yet.

    Raises:
        SerError: it cannot be a folder: it is an address, or something else lies there.
    """
    said = os.environ.get("SER_DATA") or str(ROOT / "data")
    if "://" in said:
        raise SerError("SER_DATA is an address.\nName a folder of this machine, or of a file system that is mounted.")
    place = Path(os.path.realpath(said))
    try:
        if not stat.S_ISDIR(place.stat().st_mode):
            problem = "a file lies there"
        elif not os.access(place, os.R_OK | os.X_OK):  # listing it would find nothing, and say nothing
            problem = "permission denied"
        else:
            return place
    except FileNotFoundError:
        return place
    except OSError as error:
        problem = str(error.strerror)
    raise SerError(
        f"the data root {place} cannot be read: {problem}.\nName another place (SER_DATA), or mend that one."
    )


def settings_file() -> Path:
    """Where the settings are: the file that `SER_CONFIG` names, else `ser.toml` in the project."""
    return Path(os.environ.get("SER_CONFIG") or ROOT / "ser.toml")


def load_settings(*, assignments: Sequence[str] = (), **overrides: Any) -> Settings:
    """The settings of `ser.toml` (or the file `SER_CONFIG` names), overridden by the environment, then by `overrides`.

    Args:
        assignments: `KEY=VALUE` as `ser run --set` takes them, for instance `thresholds.tau_high=0.6`.
        overrides: settings that a command or a run's configuration says; None for those that it does not.

    Raises:
        SerError: a setting is unknown or impossible, or has a credential in it; names the key, what is allowed, the
            nearest valid key, and the variable or the assignment that set it, if any. Or the file that `SER_CONFIG`
            names is not there.
    """
    said = {name: value for name, value in overrides.items() if value is not None}
    variables = {
        name[4:].lower().replace("__", "."): name
        for name in sorted(os.environ)
        if name.startswith("SER_") and name not in RESERVED
    }
    assigned = dict(map(_assignment, assignments))
    origins = {**variables, **{key: f"--set {key}" for key in assigned}, **{name: name for name in said}}
    texts = {place: os.environ[name] for place, name in variables.items()}
    written = _read(settings_file())
    for values in (said, assigned, texts):
        refuse_credentials(values, origins)
    refuse_credentials(written, {}, str(settings_file()))
    sources = (
        InitSettingsSource(_Loaded, said),
        _Texts(_Loaded, assigned),
        _Texts(_Loaded, texts),
        InitSettingsSource(_Loaded, written),
        _Recipe(_Loaded, origins),
        _Preset(_Loaded, origins),
        DefaultSettingsSource(_Loaded),
    )
    try:
        loaded = _Loaded(_build_sources=(sources, {}))
    except ValidationError as error:
        raise SerError(explain(error, origins)) from error
    settings = Settings.model_validate(dict(loaded))
    return settings.model_copy(update={"compute": settings.compute.resolved()})


class _Loaded(Settings, BaseSettings):
    """The settings while they are gathered: a key that is set leaves its neighbours as the sources below say."""

    model_config = {"case_sensitive": True, "nested_model_default_partial_update": True}


class _Texts(EnvSettingsSource):
    """Settings that are said as text, by dotted key: those of the environment, and of `--set`."""

    def __init__(self, settings: type[_Loaded], texts: Mapping[str, str]):
        super().__init__(settings, env_nested_delimiter=".")
        self.env_vars: Mapping[str, Any] = {place: _read_text(text) for place, text in texts.items()}

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """The value, which has been read; the library would read JSON."""
        return value

    def __call__(self) -> dict[str, Any]:
        """The values; the library passes over what is no setting, so that it stands here, to be refused."""
        strange = {place: text for place, text in self.env_vars.items() if not is_setting(place.split("."))}
        return super().__call__() | strange


class _Named(PydanticBaseSettingsSource):
    """What a recipe or preset says that the sources above name."""

    def __init__(self, settings: type[_Loaded], origins: Origins):
        super().__init__(settings)
        self._origins = origins

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """The value of a field there."""
        return self().get(field_name), field_name, False


class _Recipe(_Named):
    """Loops, thresholds and method, as the recipe has them."""

    def __call__(self) -> dict[str, Any]:
        """What the recipe says."""
        return _recipe(self.current_state, self._origins)


class _Preset(_Named):
    """A model, and how it is computed and trained, as the preset has it."""

    def __call__(self) -> dict[str, Any]:
        """What the preset says; nothing where its name is no text, which is refused with the types of the settings."""
        name = self.current_state.get("preset", Settings.model_fields["preset"].default)
        return read_preset(name, self._origins, settings_file()) if isinstance(name, str) else {}


def _recipe(values: Mapping[str, Any], origins: Origins) -> dict[str, Any]:
    """The settings that the named recipe stands for: one of ours, or a section of [recipes] over `paper`.

    Raises:
        SerError: there is no such recipe, or its section says more than a recipe can.
    """
    name, own = values.get("recipe", "paper"), values.get("recipes", {})
    if not isinstance(name, str) or not isinstance(own, dict):
        return {}  # refused with the types of the settings
    for each, said in own.items():
        _check_recipe(each, said)
    if name in own:
        return dict(own[name])
    if name not in RECIPES:
        raise unknown_name("recipe", name, {*RECIPES, *own}, origins)
    values_of = RECIPES[name].model_dump()
    return {"loops": values_of.pop("loops"), "thresholds": values_of.pop("thresholds"), "method": values_of}


def _check_recipe(name: str, said: Any) -> None:
    """Refuse a section of [recipes] that has a name of ours, or says what a recipe cannot."""
    if name in RECIPES:
        raise SerError(f"recipes.{name}: {name} is a recipe that comes along.\nGive yours another name.")
    if not isinstance(said, dict):
        raise SerError(f"recipes.{name} is no section.\nWrite [recipes.{name}], with loops, method and thresholds.")
    if unknown := said.keys() - {"loops", "thresholds", "method"}:
        raise SerError(
            f"recipes.{name}: {min(unknown)!r} is no part of a recipe.\nAllowed here: loops, method, thresholds."
        )
    try:
        Settings.model_validate({"max_loops": MOST_LOOPS} | said)
    except ValidationError as error:
        raise SerError(f"recipes.{name}: {explain(error, {})}") from error


def _read(path: Path) -> dict[str, Any]:
    """What a settings file says; nothing if there is none where nobody asked for one."""
    if not path.exists():
        if os.environ.get("SER_CONFIG"):
            raise SerError(
                f"SER_CONFIG names {redact(str(path))}, and there is no such file.\n"
                "Make it (empty, it says that everything has its default), or unset SER_CONFIG."
            )
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin files with a mark
    except (OSError, ValueError) as error:
        raise SerError(f"{path} cannot be read: {error}. Mend the file; it is TOML.") from error


def _assignment(assignment: str) -> tuple[str, str]:
    """The key and the text of a `KEY=VALUE`."""
    key, sign, text = assignment.partition("=")
    if not sign or not key.strip():
        raise SerError(
            f"--set {redact(assignment)} is no setting: write KEY=VALUE, for instance thresholds.tau_high=0.6."
        )
    return key.strip(), text.strip()


def _read_text(text: str) -> Any:
    """A section, a list or a quoted text as TOML reads it; all else as it stands, for the type of the setting to read.

    So a commit of digits is no number, and `0.6` needs no quotation marks.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, str | dict | list) else text
