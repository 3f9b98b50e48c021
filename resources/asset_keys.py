"""The asset keys: nobody spells one by hand."""

import re

LANDED_PAIRS = "landed_pairs"
SPLITS = "splits"
VAULT = "vault"
BACKBONE = "backbone"
ENCODED_PAIRS = "encoded_pairs"
SEED_RM = "seed_rm"
EVOLVED_RM = "evolved_rm"
PPO_POLICY = "ppo_policy"
POLICY_EVALUATION = "policy_evaluation"
FULL_LABEL_RM = "controls/full_label_rm"
MORE_STEPS_RM = "controls/more_steps_rm"
NAIVE_RM = "controls/naive_self_training_rm"
TRUE_LABEL_RM = "controls/true_label_rm"
SEED_ENSEMBLE_RM = "controls/seed_ensemble_rm"
HALF_SEED_RM = "controls/half_seed_rm"
CONTROLS = (FULL_LABEL_RM, MORE_STEPS_RM, NAIVE_RM, TRUE_LABEL_RM, SEED_ENSEMBLE_RM, HALF_SEED_RM)
NAIVE_STATUS, NAIVE_PAIRS = f"{NAIVE_RM}.status_report", f"{NAIVE_RM}.filtered_pairs"
TRUE_LABELS = f"{TRUE_LABEL_RM}.true_labels"
SEED_HALVES = f"{HALF_SEED_RM}.halves"
"""What three of the controls are trained on: artifacts without an asset of their own."""
BASE_RESPONSES = "policy_evaluation.base_responses"
"""What the base model of policies says to the judged prompts: an artifact that `policy_evaluation` is made from."""
JUDGE_RM = "controls/judge_rm"
AUDIT_SYNC = "audit_sync"
REPORT = "report"

EMBEDDED_BACKBONE = "backbone/embedded"
"""The converted embedded model: an artifact that no asset stands for, and every evolution may be made from."""

_HELDOUT = ".heldout"
_TRANSFER = "transfer"
_MEMBER = re.compile(r"/member_\d+$")


def self_labels(loop: int) -> str:
    """The labels that `loop` gave to the pool."""
    return f"loop_{loop}/self_labels"


def status_report(loop: int) -> str:
    """The learning status of `loop`."""
    return f"loop_{loop}/status_report"


def filtered_pairs(loop: int) -> str:
    """The selection of `loop`."""
    return f"loop_{loop}/filtered_pairs"


def model_of(loop: int) -> str:
    """The reward model that is trained in `loop`; 0 is the seed."""
    return SEED_RM if loop == 0 else f"loop_{loop}/retrained_rm"


def member_of(model: str, member: int) -> str:
    """A member of the ensemble that stands behind the key of a reward model."""
    return f"{model}/member_{member}"


def ensemble_of(key: str) -> str | None:
    """The key of the ensemble that this key stands for a member of; None if it stands for something else."""
    model = _MEMBER.sub("", key)
    return None if model == key else model


def policy_of(loop: int) -> str:
    """The policy under the reward model of `loop`, on demand."""
    return f"loop_{loop}/{PPO_POLICY}"


def heldout_of(model: str) -> str:
    """The calibration and test scores of the reward model with this key."""
    return model + _HELDOUT


def measured_model(key: str) -> str | None:
    """The reward model whose held-out scores this key stands for; None if it stands for something else."""
    return key.removesuffix(_HELDOUT) if key.endswith(_HELDOUT) else None


def transfers_to(dataset: str) -> str:
    """The folder of all keys under which evolutions of other data sets have scored pairs of `dataset`."""
    return f"{_TRANSFER}/{dataset}"


def transfer_of(dataset: str, loop: int) -> str:
    """The scores that the reward model of `loop`, of this evolution, gives to pairs of another data set."""
    return f"{transfers_to(dataset)}/loop_{loop}"


def transferred_model(key: str) -> str | None:
    """The reward model whose scores of another data set this key stands for; None if it stands for something else."""
    return model_of(int(key.rpartition("/loop_")[2])) if key.startswith(f"{_TRANSFER}/") else None


def loop_of(key: str) -> int | None:
    """The loop of an asset key: 0 for the seed RM, None for what belongs to no loop."""
    if key.partition("/")[0] == SEED_RM:
        return 0
    head, _, name = key.partition("/")
    return int(head[5:]) if name and head.startswith("loop_") and head[5:].isdigit() else None


def is_reward_model(key: str) -> bool:
    """Whether a reward model stands behind this key: of the seed, of a loop, or a control; or a member of one."""
    key = _MEMBER.sub("", key)
    name = key.rpartition("/")[2]
    return key == SEED_RM or name == "retrained_rm" or (key.startswith("controls/") and key.endswith("_rm"))
