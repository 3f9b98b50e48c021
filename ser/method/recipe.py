"""The method as data: what a recipe says, and the recipes that there are."""

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from ser.specs import Select, Spec, Target, Thresholds

MOST_LOOPS = 20


class Method(Spec):
    """What the seed and every loop do. The defaults are the published method."""

    teachers: int = Field(
        1,
        ge=1,
        description="reward models of the seed and of each loop, whose mean decides; only their random seeds differ",
    )
    student: Literal["continue", "fresh"] = Field(
        "continue", description="continue: trained on from the last model; fresh: from the backbone"
    )
    student_epochs: int | None = Field(
        1,
        ge=1,
        description="of a loop's retraining (recipe robust sets none: whole epochs, until it has seen as many "
        "pairs, human ones too, as the seed RM)",
    )
    select: Select = Field(
        "status",
        description="status: by the tau rules; calibrated: by a cut that keeps a promised precision; all",
    )
    target: Target = Field("hard", description="hard: labels of 0 and 1; soft: calibrated probabilities")
    pool: Literal["shrinks", "whole"] = Field(
        "shrinks",
        description="shrinks: kept pairs leave it; whole: all are labelled again in each loop (needs unseen)",
    )
    label_with: Literal["any", "unseen"] = Field(
        "any",
        description="any; unseen: a pair is labelled only by teachers that were not trained on its own label",
    )
    replay: Literal["all", "latest"] = Field(
        "all", description="all: train on the machine labels of all loops; latest: on those of the latest"
    )
    human_share: float | None = Field(
        None, gt=0, lt=1, description="least share of the loss's weight on human pairs, at most 4 times each"
    )
    temperature: Literal["seed", "loop"] = Field(
        "loop", description="loop: one a loop; seed: that of the seed throughout. With unseen it must be loop"
    )
    min_precision: float | Literal["relative"] | None = Field(
        None,
        description="the promise of calibrated; default relative: the seed's calibration accuracy, at least 0.5",
    )

    @model_validator(mode="before")
    @classmethod
    def _promise(cls, data: Any) -> Any:
        """`relative` is what `calibrated` promises unless it is told otherwise, and nothing where it is not asked."""
        if isinstance(data, dict) and data.get("min_precision") in (None, "relative"):
            data = data | {"min_precision": "relative" if data.get("select") == "calibrated" else None}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> "Method":
        if self.pool == "whole" and self.label_with == "any":
            raise ValueError(
                "pool = whole needs label_with = unseen: a model is sure of what it was trained on, right or wrong"
            )
        if self.label_with == "unseen" and self.teachers < 2:
            raise ValueError(
                f"label_with = unseen needs at least 2 teachers, not {self.teachers}: each labels what the others learn"
            )
        if self.label_with == "unseen" and self.temperature == "seed":
            raise ValueError(
                "temperature = seed contradicts label_with = unseen: each teacher's labels have its own temperature"
            )
        if self.min_precision is not None and self.select != "calibrated":
            raise ValueError(f"min_precision is the promise of select = calibrated: leave it out with {self.select}")
        if isinstance(self.min_precision, float | int) and not 0.5 < self.min_precision < 1:
            raise ValueError(f"min_precision ({self.min_precision}) must lie between 0.5 and 1, or be relative")
        return self

    @property
    def learnt_share(self) -> float:
        """Of the labels that are trained on, the share that each teacher learns from."""
        return 1 - 1 / self.teachers if self.label_with == "unseen" else 1.0


def epochs_that_see(pairs: float, of: float) -> int:
    """Whole epochs over `of` pairs in which at least so many are seen; at least one."""
    return max(1, math.ceil(pairs / of))


class Recipe(Method):
    """The method as data, with how often and by which thresholds."""

    loops: int = Field(3, ge=1, le=MOST_LOOPS, description="K, the largest number of loops")
    thresholds: Thresholds = Thresholds()


PAPER = Recipe()
ROBUST = Recipe(
    loops=3, teachers=3, student="fresh", student_epochs=None, select="calibrated", pool="whole", label_with="unseen",
    replay="latest", human_share=0.3,
)  # fmt: skip
RECIPES = {"paper": PAPER, "robust": ROBUST}
