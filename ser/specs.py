"""What the stages can be told: the typed, checked settings of the method."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ser.data.batches import TOKENS

MIN_PROMPT_TOKENS = 8
"""A pair is only useful while at least this much of its prompt fits beside the longer response."""


LARGEST_SEED = 2**31 - 1
"""Of a random seed or draw: with what is added to it for members and judges, all generators take it."""


class Spec(BaseModel):
    """Base of all settings: immutable, every number finite, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Thresholds(Spec):
    """When a pair counts for a learning status (SER, section 3), on p = sigmoid(centred reward)."""

    tau_high: float = Field(0.55, gt=0, lt=1, description="status 1 needs one p above this (good)")
    tau_low: float = Field(0.45, gt=0, lt=1, description="status 1 needs the other p below this (bad)")
    tau_delta: float = Field(0.3, gt=0, lt=1, description="status 2 needs |p_a - p_b| above this (a clear ranking)")
    n_min: int | None = Field(
        None, ge=1, description="pairs that make a status; default max(20, 2 % of the pool of loop 1)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Thresholds":
        if self.tau_low >= self.tau_high:
            raise ValueError(f"tau_low ({self.tau_low}) must be below tau_high ({self.tau_high})")
        return self

    def sufficient(self, first_pool: int) -> int:
        """n_min for a run whose first pool had `first_pool` pairs."""
        return self.n_min if self.n_min is not None else max(20, round(0.02 * first_pool))


Select = Literal["status", "calibrated", "all"]
Target = Literal["hard", "soft"]


class Scale(Spec):
    """What makes the rewards of an ensemble's member comparable with the others': their mean and its temperature."""

    offset: float
    temperature: float


class Roles(Spec):
    """How pairs are shared out to roles. The draw can be changed for the next run: nothing that has landed changes."""

    draw: int = Field(0, ge=0, le=LARGEST_SEED, description="another draws other test, calibration and seed pairs")
    test_fraction: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="of labelled groups; default 0.25; 0 leaves a published test set (--role test) alone",
    )
    calibration_fraction: float | None = Field(
        None, ge=0, lt=1, description="of labelled groups; default 100 pairs, within 0.10 and 0.25"
    )
    seed_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        description="of labelled training groups; default 1.0, or 0.15 (some 28 pairs at least) if nearly all are",
    )
    fold: str | None = Field(
        None, pattern=r"^\d+/\d+$", description="i/n: the test set is fold i of n, which share out all labelled groups"
    )
    seed_per_group: int | None = Field(
        None,
        ge=1,
        description="seed pairs of a group, at most (chosen by a hash; its others are unused); default: all",
    )
    max_pairs: int | None = Field(
        None, ge=100, description="use at most so many pairs of a snapshot (whole groups, chosen by a hash)"
    )
    heldout_max: int | None = Field(
        None, ge=16, description="at most so many test, and so many calibration pairs (chosen by a hash)"
    )

    @property
    def fold_fraction(self) -> float | None:
        """The share of a fold's test set."""
        return None if self.fold is None else 1 / int(self.fold.partition("/")[2])

    @property
    def shift(self) -> float:
        """How far the fold moves every draw."""
        if self.fold is None:
            return 0.0
        number, _, folds = self.fold.partition("/")
        return int(number) / int(folds)

    @model_validator(mode="after")
    def _possible(self) -> "Roles":
        if self.fold is not None:
            number, _, folds = self.fold.partition("/")
            if int(folds) < 2 or int(number) >= int(folds):
                raise ValueError(f"fold {self.fold} must be i/n with n of at least 2 and i from 0 to n - 1")
            if self.test_fraction is not None:
                raise ValueError(f"test_fraction and fold {self.fold} contradict: a fold's test set is 1/{folds}")
        if (self.test_fraction or self.fold_fraction or 0) + (self.calibration_fraction or 0) >= 1:
            raise ValueError("test_fraction and calibration_fraction leave nothing to train on")
        return self


class Encoding(Spec):
    """How a pair becomes tokens."""

    max_length: int = Field(
        512,
        ge=32,
        description="tokens of a prompt and its longer response; prompts are cut from the left, and counted",
    )


class Arithmetic(Spec):
    """What the numbers of a stage depend on besides its inputs: a part of every version."""

    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the frozen weights; adapters and heads are float32."""
    attention: Literal["grouped", "sdpa", "varlen"] = "grouped"
    """By plain products or PyTorch's own kernels over padded rows, or of rows of any length without padding."""
    weights: Literal["full", "nf4"] = "full"
    """Of the layers under the adapters; nf4 has 4 bits a number (`ser.models.nf4`)."""


class ModelSpec(Spec):
    """Base of the specs of stages that run a model."""

    arithmetic: Arithmetic


Cache = Literal["auto", "gpu", "host", "disk", "none"]
"""Where the states after the frozen layers are kept: in the memory of the GPU or of the host, on disk, or nowhere."""


class Execution(Spec):
    """How a stage is run: it may change last bits, never more, and is part of no version."""

    threads: int = Field(2, ge=1)
    batch_tokens: int | None = Field(
        TOKENS, ge=32, description="tokens a batch, or a single longer pair; None: what the memory of the GPU allows"
    )
    cache: Cache = "auto"


HERE = Execution()
"""How a stage is run where nobody says it."""


class Lora(Spec):
    """A LoRA adapter (arXiv 2106.09685) on the linear layers of the top of the network."""

    r: int = Field(16, ge=1, description="the rank")
    alpha: int = Field(32, ge=1, description="what the adapter adds is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="of what goes into the adapter; 0 for a policy")
    top: float = Field(
        1 / 3, gt=0, le=1, description="share of the layers that are adapted, from the top; the rest stays frozen"
    )

    def frozen_layers(self, layers: int) -> int:
        """How many of `layers` stay as they are, counted from the bottom: the trunk."""
        return layers - max(1, round(self.top * layers))


class Training(Spec):
    """How a model is trained on pairs, whatever the number of epochs.

    Why the top half of the layers: docs/performance.md, "How many layers".
    """

    lora: Lora = Lora(top=0.5)
    learning_rate: float = Field(1e-3, gt=0, description="of the first step; it falls to 0 in a straight line")
    batch_size: int = Field(16, ge=1, description="pairs a step")
    center_rewards_coefficient: float = Field(0.01, ge=0, description="pull of the mean reward to zero")


class RewardTraining(Training):
    """How the reward models of a run are trained."""

    seed_epochs: int = Field(3, ge=1, description="of the seed RM, of controls that are trained as it is, and of sft")
    min_steps: int = Field(
        30,
        ge=1,
        description="least steps of these: by the defaults fewer labels than 145 are seen in more epochs",
    )

    def epochs_on(self, labels: float) -> int:
        """Epochs of a training on so many human labels."""
        return max(self.seed_epochs, math.ceil(self.min_steps / max(1, math.ceil(labels / self.batch_size))))

    @property
    def training(self) -> Training:
        """All but the epochs: what the version of a training covers of these settings."""
        return Training(**self.model_dump(include=set(Training.model_fields)))


class Ppo(Spec):
    """Proximal policy optimisation (arXiv 1707.06347) of a LoRA policy against a reward model."""

    lora: Lora = Lora()
    learning_rate: float = Field(2e-4, gt=0, description="the paper used 1.4e-5 on 8B models, over many more episodes")
    episodes: int = Field(64, ge=1, description="responses that the policy is trained on, in all")
    batch_size: int = Field(16, ge=1, description="episodes a rollout")
    minibatch_size: int = Field(8, ge=1, description="episodes a step")
    epochs: int = Field(4, ge=1, description="passes over a rollout")
    response_tokens: int = Field(32, ge=1, description="tokens of a response, at most")
    temperature: float = Field(1.0, gt=0, description="at which responses are drawn")
    gamma: float = Field(1.0, gt=0, le=1, description="discount")
    lam: float = Field(0.95, ge=0, le=1, description="lambda of GAE")
    clip: float = Field(0.2, gt=0, description="range of the probability ratio")
    value_clip: float = Field(0.2, gt=0, description="range of the change of a value")
    value_coefficient: float = Field(0.1, ge=0, description="weight of the value loss")
    initial_kl: float = Field(
        0.2, ge=0, description="first weight of the KL penalty per token; it adapts (docs/performance.md)"
    )
    target_kl: float = Field(
        0.5, gt=0, description="nats a response that the weight aims at: below it the weight falls, above it rises"
    )
    kl_horizon: int | None = Field(
        None,
        ge=1,
        description="episodes that move the weight by at most a fifth; default: a 16th of all, at least a rollout",
    )

    @model_validator(mode="after")
    def _without_dropout(self) -> "Ppo":
        if self.lora.dropout:
            raise ValueError(
                f"ppo.lora.dropout must be 0, not {self.lora.dropout:g}: a policy trains without dropout, which would "
                "make the ratio of two passes differ from 1 by chance"
            )
        return self

    @property
    def horizon(self) -> int:
        """`kl_horizon`, or at most sixteen horizons a run: so many can change a weight tenfold, and none is so short
        that one noisy rollout moves the weight by more than a fifth."""
        return self.kl_horizon if self.kl_horizon is not None else max(self.batch_size, self.episodes // 16)


class Judging(Spec):
    """How a policy is compared with its base model."""

    prompts: int = Field(100, ge=1, description="test prompts, at most")
    epochs: int = Field(2, ge=1, description="of the judge's training")
    tie_band: float = Field(
        0.05, ge=0, lt=1, description="a difference of judge scores (sigmoid rewards) up to and including this is a tie"
    )


class PromotionRule(Spec):
    """What is promoted, and by which statistic on calibration pairs, fixed beforehand (`ser.method.promotion`)."""

    rule: Literal["evidence", "not_worse", "last", "best"] = Field(
        "evidence",
        description="evidence: the last loop if it is shown to be better than the seed, or an earlier one that is "
        "shown to be better still, else the seed; not_worse: the last loop unless it is shown to be worse; last: the "
        "last loop, as in the paper; best: the loop, or the seed, that is best by the statistic on calibration pairs, "
        "shown to be better or not",
    )
    statistic: Literal["accuracy", "log_loss"] = Field(
        "accuracy", description="accuracy, or log_loss at a cross-fitted temperature"
    )


class HandPromotion(Spec):
    """A person's decision that takes the place of the rule's."""

    loop: int
    rm_version: str
    """What the loop's reward model was: of one that was trained anew nothing was decided."""
    by: str
    why: str


class Gate(Spec):
    """Whether the seed RM is shown to be better than a coin on the calibration pairs (`ser.method.gate`)."""

    shown: bool
    accuracy: float
    ci_low: float
    ci_high: float
    n: int
    needed: int | None
    """Calibration pairs that would show an accuracy like this; None: no number of such pairs would."""
    words: str
