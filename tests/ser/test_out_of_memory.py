"""A GPU that runs out of memory costs time and no result. Here a model plays it, on the processor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.errors import SerError
from ser.losses import pairwise_loss
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states.disk import StatesCache
from ser.models.states.pairs import PairStates, collate
from ser.models.states.writing import write_states
from ser.models.token_budget import TokenBudget
from ser.specs import Arithmetic, Lora
from ser.training import Example, PairTrainer
from tests.models import encoded_pairs, random_model


@pytest.fixture
def pairs(tiny_backbone: Path, tmp_path: Path) -> PairStates:
    (tmp_path / "tokens").mkdir()
    write_encoded(encoded_pairs(tiny_backbone, 24), tmp_path / "tokens")
    return PairStates(tmp_path / "tokens" / ENCODED_NAME)


def with_memory_for(tokens: int, model: RewardModel, door: str = "forward") -> list[int]:
    """Let a door of the model refuse larger batches, half way through; returns the sizes that come."""
    seen: list[int] = []
    real: Callable[..., Any] = getattr(model, door)

    def limited(batch: Any, *more: Any) -> Any:
        seen.append(batch.input_ids.numel())
        if seen[-1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(batch, *more)

    setattr(model, door, limited)
    return seen


def test_scoring_goes_on_with_smaller_batches(tiny_backbone: Path, pairs: PairStates) -> None:
    model = random_model(tiny_backbone)
    wanted = list(score(model, pairs))
    seen = with_memory_for(400, model)
    with pytest.warns(UserWarning, match=r"out of memory: on with 375 tokens a batch"):
        found = list(score(model, pairs, batch_tokens=1500))
    assert seen[0] > 1000 and max(seen[2:]) <= 400
    assert [one.pair_id for one in found] == [one.pair_id for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert (one.reward_a, one.reward_b) == pytest.approx((other.reward_a, other.reward_b), abs=1e-5)


def test_states_are_written_all_the_same(tiny_backbone: Path, pairs: PairStates, tmp_path: Path) -> None:
    model, encoded = random_model(tiny_backbone), tmp_path / "tokens" / ENCODED_NAME
    with_memory_for(400, model, "trunk_states")
    with pytest.warns(UserWarning, match="out of memory"):
        write_states(model, encoded, tmp_path / "states", Arithmetic(), batch_tokens=1500)
    cache = StatesCache.open(tmp_path / "states", encoded, model.trunk, Arithmetic())
    assert all(item.states() is not None for item in PairStates(encoded, cache).pairs())


def test_a_step_is_begun_again_and_counts_no_pair_twice(tiny_backbone: Path, pairs: PairStates, tmp_path: Path) -> None:
    examples = [Example(item, float(n % 2)) for n, item in enumerate(pairs.pairs())]
    model = RewardModel.new(tiny_backbone, Lora(r=4, top=0.5), Arithmetic(), random_seed=0)
    loss = pairwise_loss(
        model(*collate([one.encoded for one in examples], model)),
        torch.tensor([one.target for one in examples]), torch.ones(24), 24.0, 0.01,
    )  # fmt: skip
    loss.backward()
    wanted = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    seen = with_memory_for(700, model)
    args = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    trainer = PairTrainer(model, examples, centering=0.01, budget=TokenBudget(3000), args=args)
    with pytest.warns(UserWarning, match="out of memory"):
        found = trainer.training_step(model, {"examples": examples})
    assert seen[0] > 700 and len(seen) > 4  # some of a first try had gone back already
    assert found.item() == pytest.approx(loss.item(), abs=1e-6)
    for name, one in model.named_parameters():
        if name in wanted:
            torch.testing.assert_close(one.grad, wanted[name], atol=1e-6, rtol=1e-4)
    assert trainer._budget.tokens < 700


def test_before_batches_get_small_layers_are_computed_again(
    tiny_backbone: Path, pairs: PairStates, tmp_path: Path
) -> None:
    examples = [Example(item, 1.0) for item in pairs.pairs()]
    model = RewardModel.new(tiny_backbone, Lora(r=4, top=0.5), Arithmetic(), random_seed=0)
    real = model.forward

    def forward(*batch: Any) -> torch.Tensor:
        if not model.checkpointing:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(*batch)

    model.forward = forward  # type: ignore[method-assign]
    args = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    trainer = PairTrainer(model, examples, centering=0.01, budget=TokenBudget(4096), args=args)
    with pytest.warns(UserWarning, match=r"on with 2,048 tokens"):
        assert torch.isfinite(trainer.training_step(model, {"examples": examples}))
    assert model.checkpointing and trainer._budget.tokens == 2048


def test_what_fits_in_no_way_is_said_in_two_lines(tiny_backbone: Path, pairs: PairStates) -> None:
    model = random_model(tiny_backbone)
    with_memory_for(0, model)
    with pytest.warns(UserWarning, match="out of memory"), pytest.raises(SerError) as refused:
        list(score(model, pairs, batch_tokens=1024))
    assert str(refused.value).splitlines() == [
        "the GPU has not enough memory for 128 tokens at once beside the model.",
        "Set encoding.max_length lower or compute.weights to nf4, or use a GPU with more memory (`ser plan`).",
    ]
