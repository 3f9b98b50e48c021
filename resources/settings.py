"""The settings: one file, `ser.toml`, `SER_…` environment overrides, presets; checked once, at the door."""

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, ValidationError, model_validator

from resources.landing.folders import DATASET_NAME, NAMES
from resources.landing.shapes.mapping import ColumnMap
from resources.machine import Compute
from ser.errors import SerError
from ser.specs import (
    RECIPES,
    Encoding,
    Judging,
    Method,
    Ppo,
    PromotionRule,
    Recipe,
    RewardTraining,
    Roles,
    Spec,
    Thresholds,
)

ROOT = Path(__file__).resolve().parents[1]
"""The project: `ser.toml` and, unless `SER_DATA` says otherwise, `data` are here."""

RESERVED = {"SER_DATA", "SER_CONFIG", "SER_DEBUG"}
"""Environment variables that say where things are, or how much to say; every other `SER_…` variable is a setting."""


def _dataset(name: str) -> str:
    if not DATASET_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a dataset. {NAMES}")
    return name


DatasetName = Annotated[str, AfterValidator(_dataset)]


class Backbone(Spec):
    """The pretrained model under the reward model and the policy."""

    model: str = Field("embedded", description="`embedded`, a local folder, or a hub model id")
    revision: str | None = Field(None, description="commit of a hub model")


class Controls(Spec):
    """Extra evidence, each at the price of a training."""

    full_label: bool = Field(False, description="train controls/full_label_rm in every run")


class Automation(Spec):
    """What happens by itself: when files land and runs are requested, never what a run makes."""

    quiet_seconds: float = Field(
        60, ge=0, description="files land when the newest of them is this old, or the oldest ten times that"
    )
    min_new_pairs: int = Field(1, ge=1, description="a run is requested for this many new or newly labelled pairs")
    retries: int = Field(2, ge=0, le=10, description="how often a failed run is run again")
    cron: dict[DatasetName, str] = Field({}, description="dataset to the times (UTC) of its scheduled runs")
    inbox: str | None = Field(None, description="fsspec URI of a folder whose <dataset>/<file>s are fetched to land")


class LandedColumns(Spec):
    """What the columns of a dataset's files are, as `ser land --map` says it: needed where no known shape has them."""

    map: dict[str, str] = Field({}, description="our field to the file's column; a+b joins two columns")
    values: dict[str, str] = Field({}, description="what the label column says, to a, b or tie")
    role: str | None = Field(None, description="the role of every row that names none")
    unlabelled: bool = Field(False, description="land without labels although a column looks like one")

    @model_validator(mode="after")
    def _readable(self) -> "LandedColumns":
        try:
            ColumnMap(self.map, self.values, self.role, self.unlabelled)
        except SerError as error:
            raise ValueError(str(error)) from error
        return self


class Settings(Spec):
    """Everything a run can be told. Two runs with equal settings and data make the same artifacts."""

    recipe: str = Field("paper", description="paper, robust, or one of [recipes]: values below those of this file")
    preset: Literal["smollm2-135m"] = "smollm2-135m"
    loops: int = Field(3, ge=1, le=20, description="K, the largest number of loops")
    max_loops: int = Field(5, ge=1, le=20, description="loops that the graph has; the UI needs a reload after a change")
    random_seed: int = Field(0, ge=0)
    anyway: bool = Field(False, description="run the loops although the seed RM is not shown to be better than a coin")
    sft: bool = Field(False, description="fine-tune the backbone on the preferred seed responses first")
    backbone: Backbone = Backbone()
    roles: Roles = Roles()
    encoding: Encoding = Encoding()
    compute: Compute = Compute()
    thresholds: Thresholds = Thresholds()
    method: Method = Method()
    reward_model: RewardTraining = RewardTraining()
    promotion: PromotionRule = PromotionRule()
    ppo: Ppo = Ppo()
    judging: Judging = Judging()
    controls: Controls = Controls()
    automation: Automation = Automation()
    recipes: dict[str, dict[str, Any]] = Field({}, description="recipes of your own: loops, thresholds, method")
    landing: dict[DatasetName, LandedColumns] = Field({}, description="dataset to what the columns of its files are")

    @model_validator(mode="after")
    def _in_the_graph(self) -> "Settings":
        if self.loops > self.max_loops:
            raise ValueError(f"loops ({self.loops}) is more than max_loops ({self.max_loops}): raise max_loops too")
        return self

    @property
    def as_recipe(self) -> Recipe:
        """The method under these settings, as one value."""
        return Recipe(loops=self.loops, thresholds=self.thresholds, **self.method.model_dump())

    @property
    def student_epochs(self) -> int:
        """Epochs of a loop's retraining."""
        return self.method.student_epochs or self.reward_model.seed_epochs

    @property
    def digest(self) -> str:
        """12 hex characters that name these settings, as far as they decide what a run makes."""
        decisive = self.model_dump(exclude={"automation", "landing", "compute", "max_loops", "recipes"})
        decisive["arithmetic"] = self.compute.arithmetic.model_dump()
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


class RecordedSettings(Settings):
    """The settings of an evolution, which keep the name that they had: a setting may have been added since."""

    _digest: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        """The name of the folder that they lie in."""
        return self._digest

    @classmethod
    def read(cls, path: Path, values: Any) -> "RecordedSettings":
        """The settings `values` that the file at `path`, beside the heads of an evolution, says.

        Raises:
            SerError: there is a setting that this version does not have or allow.
        """
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(part for part in problem["loc"] if isinstance(part, str))
            raise SerError(
                f"{path}: {key!r} is no setting of this version, or not with this value ({problem['msg']}).\n"
                f"Delete {key} there; the evolution keeps its name and all that it made."
            ) from error
        settings._digest = path.parent.name
        return settings


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
        overrides: what the flags of a command say; None for what they do not.

    Raises:
        SerError: a setting is unknown or impossible; names the key, what is allowed, the nearest valid key, and the
            variable or the flag if it did not come from the file. Or the file that `SER_CONFIG` names is not there.
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
            _put(values, [name], value, f"--{name}")
            origins[name,] = f"--{name}"
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
        raise SerError(f"{f'{origin}: ' if origin else ''}{said} Known: {', '.join(map(repr, known))}.\n{where}")
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
        origins: the variable or flag that each place was set by; all other values are of the file.
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
        meant = f"SER_{'__'.join(nearest).upper()}" if named else repr(".".join(nearest))
        hint = f" Did you mean {meant}?" if near else ""
        origin = f"{named[0]}: " if named else ""
        return f"{origin}unknown setting {key!r}.{hint}\nAllowed here: {', '.join(known)}."
    message = problem["msg"].removeprefix("Value error, ")
    said = f"setting {key or 'ser.toml'!r} is impossible: {message} (got {problem['input']!r})."
    if named:
        return f"{', '.join(named)}: {said}\nChange {named[0]}."
    return f"{said}\nChange it in ser.toml."


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
