"""What a study runs: the product of data sets, of named settings along some axes, and of draws."""

import difflib
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from resources.dotted import dotted
from resources.landing.folders import DATASET_NAME
from resources.settings import Controls
from resources.settings_errors import is_setting
from ser.errors import SerError
from ser.specs import LARGEST_SEED, Spec

KNOWN = Path(__file__).parent
"""The folder of the studies that come along."""


class Cell(Spec):
    """One evolution of a study: its data set, the option of every axis, and the draw, with what `--set` would say."""

    dataset: str
    options: dict[str, str]
    draw: int
    assignments: tuple[str, ...]

    @property
    def words(self) -> str:
        """What a person calls it."""
        return ", ".join([self.dataset, *self.options.values(), f"draw {self.draw}"])


class StudyPlan(Spec):
    """A study file. The options of an axis are settings as in `ser.toml`; `draws` are random seeds and role draws."""

    question: str = Field(min_length=1, description="what the study is to answer")
    datasets: list[str] = Field([], description="what is landed; `--dataset` takes its place")
    draws: list[Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]] = Field(
        [0, 1, 2], min_length=1, description="each is both `random_seed` and `roles.draw`"
    )
    folds: int | None = Field(None, ge=2, description="draw k tests fold k of so many; n draws share out all labels")
    controls: list[str] = Field([], description="controls that every evolution trains")
    transfer: bool = Field(False, description="score each data set's models on the test pairs of the others")
    cost: bool = Field(False, description="show what each kind of stage took, and what training on all labels takes")
    price_per_label: float | None = Field(None, gt=0, description="of a human label, in any currency, for `cost`")
    settings: dict[str, Any] = Field({}, description="settings of all evolutions")
    axes: dict[str, dict[str, dict[str, Any]]] = Field({}, description="axis to option to settings")
    baseline: dict[str, str] = Field({}, description="axis to the option that its others are compared with")

    @model_validator(mode="after")
    def _possible(self) -> "StudyPlan":
        if len(set(self.draws)) < len(self.draws):
            raise ValueError(f"draws {self.draws} names one twice")
        if strange := set(self.controls) - set(Controls.model_fields):
            raise ValueError(f"controls: {', '.join(sorted(strange))} is none of {', '.join(Controls.model_fields)}")
        if self.price_per_label is not None and not self.cost:
            raise ValueError("price_per_label is shown in the tables of cost = true alone")
        for axis, options in self.axes.items():
            if not options:
                raise ValueError(f"axes.{axis} has no option")
        for axis, option in self.baseline.items():
            if axis not in self.axes:
                raise ValueError(f"baseline.{axis}: there is no axis {axis}, only {', '.join(self.axes) or 'none'}")
            if option not in self.axes[axis]:
                raise ValueError(f"baseline.{axis}: {option} is no option of axes.{axis}")
        said = {f"axes.{axis}": self._settings_of(axis) for axis in self.axes} | {"settings": set(flat(self.settings))}
        for path in sorted(set().union(*said.values())):
            if not is_setting(path.split(".")):
                raise ValueError(f"{path} is no setting (docs/settings.md lists them)")
            if path in self._of_draw(0):
                raise ValueError(f"{path} is what draws{' and folds' if self.folds else ''} set: leave it out")
            if len(axes := [place for place, paths in said.items() if path in paths and place != "settings"]) > 1:
                raise ValueError(f"{path} is set by {' and by '.join(axes)}: one would undo the other")
        return self

    def _settings_of(self, axis: str) -> set[str]:
        return {path for settings in self.axes[axis].values() for path in flat(settings)}

    def _of_draw(self, draw: int) -> dict[str, str]:
        if self.folds is None:
            return {"random_seed": str(draw), "roles.draw": str(draw)}
        fold = f"{draw % self.folds}/{self.folds}"
        return {"random_seed": str(draw), "roles.draw": str(draw // self.folds), "roles.fold": fold}

    def cells(self) -> Iterator[Cell]:
        """Every evolution: all options of a draw before those of the next, so that a part is a smaller study."""
        for draw, dataset in itertools.product(self.draws, self.datasets):
            for chosen in itertools.product(*(options.items() for options in self.axes.values())):
                values = flat(self.settings) | {f"controls.{name}": "true" for name in self.controls}
                for _, settings in chosen:
                    values |= flat(settings)
                values |= self._of_draw(draw)
                options = dict(zip(self.axes, (name for name, _ in chosen), strict=True))
                assignments = tuple(f"{key}={value}" for key, value in sorted(values.items()))
                yield Cell(dataset=dataset, options=options, draw=draw, assignments=assignments)


def flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings by dotted name, each as `--set` takes it; an empty section sets nothing."""
    said = ((name, value) for name, value in dotted(settings).items() if value != {})
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in said}


def read_plan(wanted: str) -> tuple[str, StudyPlan]:
    """The name and the plan of a study: a file of one's own, or one of those that come along.

    Raises:
        SerError: there is none, or it says something impossible.
    """
    own = wanted.endswith(".toml")
    if own and not Path(wanted).is_file():
        known = ", ".join(known_studies())
        raise SerError(f"there is no file {wanted}.\nName your file, or a study that comes along ({known}).")
    if not own and wanted not in known_studies():
        raise SerError(_unknown(wanted))
    path = Path(wanted) if own else KNOWN / f"{wanted}.toml"
    try:
        return path.stem, StudyPlan.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SerError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        problems = error.errors()  # a name that is unknown is the likelier cause of one that is missing
        problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
        place = ".".join(str(part) for part in problem["loc"])
        words = problem["msg"].removeprefix("Value error, ")
        allowed = f"\nA study has {', '.join(StudyPlan.model_fields)}." if problem["type"] == "extra_forbidden" else ""
        raise SerError(f"{path}: {f'{place}: ' if place else ''}{words}.{allowed}") from error


def known_studies() -> list[str]:
    """The names of the studies that come along."""
    return sorted(path.stem for path in KNOWN.glob("*.toml"))


def with_datasets(name: str, plan: StudyPlan, datasets: list[str]) -> StudyPlan:
    """The plan on these data sets, where any are given.

    Raises:
        SerError: neither the plan nor the caller names one, or only one where models are to be transferred.
    """
    chosen = list(dict.fromkeys(datasets or plan.datasets))
    if not chosen:
        raise SerError(f"study {name} names no data set.\nSay which: ser study {name} --dataset NAME")
    if strange := [one for one in chosen if not DATASET_NAME.fullmatch(one)]:
        raise SerError(f"{strange[0]!r} cannot be the name of a dataset.")
    if plan.transfer and len(chosen) < 2:
        raise SerError(
            f"study {name} transfers models between data sets, and {chosen[0]} is alone.\n"
            f"Name two or more: ser study {name} --dataset ONE --dataset OTHER"
        )
    return plan.model_copy(update={"datasets": chosen})


def _unknown(wanted: str) -> str:
    near = difflib.get_close_matches(wanted, known_studies(), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = f"There are: {', '.join(known_studies())}; or" if known_studies() else "Name"
    return f"there is no study {wanted!r}.{hint}\n{known} a TOML file of your own (its name ends in .toml)."
