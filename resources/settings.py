"""The settings of an evolution, and of what happens around it: typed, described, checked once, at the door."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from resources import asset_keys as keys
from resources.landing.folders import DATASET_NAME, NAMES
from resources.landing.shapes.mapping import ColumnMap
from resources.machine import Compute
from ser.errors import SerError
from ser.method.recipe import MOST_LOOPS, Method, epochs_that_see
from ser.specs import LARGEST_SEED, Encoding, Judging, Ppo, PromotionRule, RewardTraining, Roles, Spec, Thresholds


def _dataset(name: str) -> str:
    if not DATASET_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a dataset. {NAMES}")
    return name


DatasetName = Annotated[str, AfterValidator(_dataset)]


class Backbone(Spec):
    """The pretrained model under the reward model and the policy."""

    model: str = Field(
        "embedded",
        description="embedded, a local folder, or a hub model id; other than Llama, Mistral and Qwen: slower, no "
        "policy. A relative folder is looked for beside ser.toml first, then in the working directory",
    )
    revision: str | None = Field(None, description="commit of a hub model")


class Controls(Spec):
    """Extra evidence, each at the price of a training or more."""

    full_label: bool = Field(False, description="controls/full_label_rm: how good is a model of all human labels?")
    more_steps: bool = Field(False, description="controls/more_steps_rm: is it only longer training?")
    naive_self_training: bool = Field(False, description="controls/naive_self_training_rm: does selection matter?")
    true_label: bool = Field(False, description="controls/true_label_rm: what would right labels have given?")
    seed_ensemble: bool = Field(False, description="controls/seed_ensemble_rm: is it only ensembling?")
    half_seed: bool = Field(False, description="controls/half_seed_rm: does the model still learn from more labels?")

    @property
    def asked(self) -> list[str]:
        """The keys of the controls that every run trains."""
        chosen = self.model_dump()
        return [key for key in keys.CONTROLS if chosen[key.removeprefix("controls/").removesuffix("_rm")]]


class Automation(Spec):
    """What happens by itself: when files land and runs are requested, never what a run makes."""

    quiet_seconds: float = Field(
        60, ge=0, description="files land when the newest of them came this long ago, or the oldest ten times as long"
    )
    min_new_pairs: int = Field(1, ge=1, description="a run is requested for this many new or newly labelled pairs")
    retries: int = Field(2, ge=0, le=10, description="how often a failed run is run again")
    cron: dict[DatasetName, str] = Field(
        {}, description="times (UTC) of scheduled runs; a dataset that is not named: weekly, and off"
    )
    inbox: str | None = Field(
        None,
        description="any fsspec URI, without credentials; files in its folders <dataset>/ are fetched and land",
    )


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


_INDECISIVE = {"automation", "landing", "compute", "max_loops", "recipes", "recipe", "preset", "controls"}
"""Settings that decide nothing of what an evolution makes, and names whose values stand beside them."""


class Settings(Spec):
    """Everything a run can be told. Two runs with equal settings and data make the same artifacts."""

    model_config = ConfigDict(hide_input_in_errors=True)  # an error may be recorded, with what a setting should not say

    recipe: str = Field("paper", description="the method: paper (as published), robust (ours), or one of [recipes]")
    preset: str = Field(
        "smollm2-135m", description="a model with its settings: one of ours, or a TOML file of your own"
    )
    loops: int = Field(3, ge=1, le=MOST_LOOPS, description="K, the largest number of loops")
    max_loops: int = Field(5, ge=1, le=MOST_LOOPS, description="loops that the graph has; those beyond K are skipped")
    random_seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="another number trains other models on the same pairs"
    )
    anyway: bool = Field(False, description="run the loops although the seed RM is not shown to be better than a coin")
    sft: bool = Field(False, description="fine-tune the backbone on the preferred seed responses first")
    backbone: Backbone = Field(Backbone(), description="the pretrained model under the reward model and the policy")
    roles: Roles = Field(Roles(), description="what a pair may be used for (docs/data.md)")
    encoding: Encoding = Field(Encoding(), description="how a pair becomes tokens")
    compute: Compute = Field(Compute(), description="where, and with which numbers, is computed (docs/gpu.md)")
    thresholds: Thresholds = Field(Thresholds(), description="when a pair counts for a learning status")
    method: Method = Field(
        Method(),
        description="what the recipe says beside loops and thresholds; a key that is set here wins over the recipe's",
    )
    recipes: dict[str, dict[str, Any]] = Field(
        {}, description="recipes of your own, over paper: loops, thresholds and method"
    )
    reward_model: RewardTraining = Field(RewardTraining(), description="how the reward models are trained")
    promotion: PromotionRule = Field(PromotionRule(), description="which loop is promoted, and by which statistic")
    ppo: Ppo = Field(Ppo(), description="how the policy is trained under the promoted reward model")
    judging: Judging = Field(Judging(), description="how the policy is compared with its base model")
    controls: Controls = Field(
        Controls(), description="trained in every run, each at the price of a training or more (docs/audit.md)"
    )
    automation: Automation = Field(
        Automation(), description="none of these changes what a run makes (docs/automation.md)"
    )
    landing: dict[DatasetName, LandedColumns] = Field(
        {}, description="what a dataset's columns are, where no known shape has them (docs/data.md)"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> "Settings":
        if self.loops > self.max_loops:
            raise ValueError(f"loops ({self.loops}) is more than max_loops ({self.max_loops}): raise max_loops too")
        if self.sft and self.compute.weights != "full":
            raise ValueError(f"sft writes full weights, and compute.weights is {self.compute.weights}: leave one out")
        return self

    def student_epochs(self, seed: float, pairs: float) -> int:
        """Epochs of a loop's retraining on so many pairs, with those of the seed among them."""
        return self.method.student_epochs or epochs_that_see(self.reward_model.epochs_on(seed) * seed, of=pairs)

    @property
    def digest(self) -> str:
        """12 hex characters that name these settings, as far as they decide what a run makes."""
        decisive, arithmetic = self.decisive, self.compute.arithmetic
        # An evolution over full weights keeps the name that it had before there were others.
        decisive["arithmetic"] = arithmetic.model_dump(exclude={"weights"} if arithmetic.weights == "full" else None)
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def decisive(self) -> dict[str, Any]:
        """Those that decide what a run makes, but for the arithmetic that it is computed with."""
        return self.model_dump(exclude=_INDECISIVE)

    def recorded(self) -> dict[str, Any]:
        """What is written down of them: all but automation, which decides nothing of an evolution."""
        return self.model_dump(mode="json", exclude={"automation"})


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
