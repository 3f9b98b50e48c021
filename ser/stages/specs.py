"""What each stage can be told. Apart from the stages, because the graph builds specs without importing torch."""

from ser.method.gate import SeedData
from ser.specs import Arithmetic, Encoding, Judging, Ppo, PromotionRule, Roles, Spec, Thresholds, Training


class EmbeddedBackboneSpec(Spec):
    """Nothing to choose."""


class SplitSpec(Spec):
    """How the pairs of the snapshot are shared out."""

    roles: Roles


class EncodeSpec(Spec):
    """What the tokens depend on besides the pairs and the tokenizer."""

    encoding: Encoding


class TrunkSpec(Spec):
    """What the states depend on besides the tokens and the backbone."""

    arithmetic: Arithmetic
    top: float
    keep_states: bool = True
    """Without the states, every stage passes the tokens through the trunk again."""


class TrainRewardModelSpec(Spec):
    """What a reward model depends on besides its data."""

    training: Training
    arithmetic: Arithmetic
    epochs: int
    random_seed: int


class HeldoutSpec(Spec):
    """What held-out scores depend on besides the reward model and the pairs."""

    arithmetic: Arithmetic


class LabelSpec(Spec):
    """What self-labels depend on besides the reward model and the pool."""

    arithmetic: Arithmetic


class ReportStatusSpec(Spec):
    """The rule; `n_min` is fixed for the run, from the pool of loop 1."""

    loop: int
    thresholds: Thresholds
    n_min: int


class FilterPairsSpec(Spec):
    """The rule's thresholds."""

    thresholds: Thresholds


class PromoteSpec(Spec):
    """The candidates: the loop and the version of each, in the order of `inputs["heldout"]`."""

    loops: list[int]
    rm_versions: list[str]
    rule: PromotionRule
    seed: SeedData
    """What the gate's words need to know."""
    anyway: bool


class TrainJudgeSpec(Spec):
    """How the judge is trained; its random seed differs from that of every model it judges."""

    training: Training
    arithmetic: Arithmetic
    epochs: int
    random_seed: int


class SftSpec(Spec):
    """How the backbone is fine-tuned before the seed RM."""

    training: Training
    encoding: Encoding
    arithmetic: Arithmetic
    epochs: int
    random_seed: int


class PpoSpec(Spec):
    """What a policy depends on besides the backbone, the reward model and the prompts.

    The score of a response is sigmoid(reward - reward_offset).
    """

    ppo: Ppo
    encoding: Encoding
    arithmetic: Arithmetic
    random_seed: int
    reward_offset: float


class EvaluatePolicySpec(Spec):
    """What a verdict depends on besides the models and the test prompts.

    `random_seed` decides which prompts are judged; `reward_offset` centres the rewards for the mean scores.
    """

    judging: Judging
    encoding: Encoding
    arithmetic: Arithmetic
    response_tokens: int
    random_seed: int
    reward_offset: float
