"""Tokens a batch follow from the memory that a GPU has left; here its numbers are given."""

from pathlib import Path

import pytest

from ser.models import token_budget
from ser.models.reward_model import RewardModel
from ser.models.token_budget import TokenBudget
from ser.planning.memory import MOST_TOKENS, logit_bytes_a_token, training_bytes_a_token, working_bytes_a_token
from ser.planning.shape import ModelShape
from ser.specs import Arithmetic, Lora

LORA = Lora(r=4, top=1.0)


class Policy:
    """As much of one as decides its tokens."""

    def __init__(self, model: RewardModel):
        self.language_model, self.device, self.checkpointing = model.classifier, model.device, False


@pytest.fixture
def model(tiny_backbone: Path) -> RewardModel:
    return RewardModel.new(tiny_backbone, LORA, Arithmetic(), random_seed=0)


@pytest.fixture
def shape(model: RewardModel) -> ModelShape:
    return ModelShape.from_config(model.classifier.config.to_dict())


def have(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """Let a GPU have so many bytes left."""
    monkeypatch.setattr(token_budget, "_is_planned", lambda device, model: True)
    monkeypatch.setattr(token_budget, "room_on_gpu", lambda device: int(free))


def test_a_processor_has_what_is_asked_for_or_768(model: RewardModel) -> None:
    assert [TokenBudget.for_scoring(model, asked).tokens for asked in (None, 300)] == [768, 300]
    assert TokenBudget.for_training(model, LORA, None, 50, 1e6).tokens == 768
    assert TokenBudget.for_policy(Policy(model), LORA, 300, 50, on_cpu=1024).tokens == 1024


def test_scoring_takes_two_thirds_of_what_is_left(
    model: RewardModel, shape: ModelShape, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_token = working_bytes_a_token(shape, 4)
    for free, wanted in ((3000 * a_token, 2000), (1e12, MOST_TOKENS), (0, 128)):
        have(monkeypatch, free)
        assert TokenBudget.for_scoring(model, None).tokens == pytest.approx(wanted, abs=1)
    assert TokenBudget.for_scoring(model, 300).tokens == 300


@pytest.mark.parametrize(
    ("fitting", "longest", "step", "tokens", "checkpointing"),
    [
        (6000, 500, 1e6, 6000, False),
        (6000, 500, 3000, 3000, False),  # a step is no larger
        (1500, 500, 1e6, None, True),  # rather again than so few at once
        (1500, 500, 1200, 1200, False),  # and a whole step are enough
        (100, 800, 1e6, None, True),  # at last the longest pair alone
    ],
)  # fmt: skip
def test_training_goes_back_at_once_or_computes_layers_again(
    model: RewardModel,
    shape: ModelShape,
    monkeypatch: pytest.MonkeyPatch,
    fitting: int,
    longest: int,
    step: float,
    tokens: int | None,
    checkpointing: bool,
) -> None:
    have(monkeypatch, 1.5 * (fitting + 0.5) * training_bytes_a_token(shape, LORA, 4, False))
    found = TokenBudget.for_training(model, LORA, None, longest, step).tokens
    assert model.checkpointing == checkpointing
    assert found == tokens if tokens else found > fitting


def test_a_policy_counts_its_logits(model: RewardModel, shape: ModelShape, monkeypatch: pytest.MonkeyPatch) -> None:
    a_token = training_bytes_a_token(shape, LORA, 4, False) + logit_bytes_a_token(shape, 4)
    for fitting, longest, checkpointing in ((900.5, 300, False), (200.5, 300, True)):
        policy = Policy(model)
        have(monkeypatch, 1.5 * fitting * a_token)
        found = TokenBudget.for_policy(policy, LORA, None, longest, on_cpu=1024).tokens
        assert policy.checkpointing == checkpointing
        assert found == (900 if not checkpointing else max(300, found))
