"""Both ways to lay out pairs give what transformers' own forward pass gives, forwards and backwards."""

from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser.data.encoding import EncodedPair
from ser.errors import SerError
from ser.losses import pairwise_loss
from ser.models.backbone import load_model
from ser.models.engines import is_flat
from ser.models.reward_model import RewardModel
from ser.specs import Arithmetic, Lora
from tests.models import backbone_of, encoded_pairs

Attention = Literal["grouped", "sdpa", "varlen"]
KINDS = ("llama", "mistral", "qwen2", "qwen3")
SIZES = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=6)


@pytest.fixture(scope="module", params=KINDS)
def backbone(request: pytest.FixtureRequest, tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "llama":
        return tiny_backbone
    return backbone_of(request.param, tiny_backbone, tmp_path_factory.mktemp(request.param))


def reward_model(
    backbone: Path, attention: Attention, dtype: Literal["float32", "bfloat16"] = "float32"
) -> RewardModel:
    """The same reward model for every attention, whose adapter does something."""
    arithmetic = Arithmetic(dtype=dtype, attention=attention)
    model = RewardModel.new(backbone, Lora(r=4, alpha=8, top=0.5), arithmetic, random_seed=0).eval()
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "score" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) * 0.2
    return model


def random_pairs(sizes: list[tuple[int, int, int]], seed: int = 0) -> list[EncodedPair]:
    draw = torch.Generator().manual_seed(seed)
    return [
        EncodedPair(str(i), *(torch.randint(3, 200, (n,), generator=draw).tolist() for n in lengths))
        for i, lengths in enumerate(sizes)
    ]


@torch.inference_mode()
def own_rewards(model: RewardModel, pairs: list[EncodedPair], rows: int) -> torch.Tensor:
    """[N, 2] by the forward pass of transformers, padded on the right, so many sequences at once."""
    sequences = [pair.prompt + response for pair in pairs for response in (pair.response_a, pair.response_b)]
    classifier = model.classifier
    classifier.config.pad_token_id, ours = 0, classifier.config._attn_implementation
    classifier.set_attn_implementation("sdpa")
    found = []
    for first in range(0, len(sequences), rows):
        some = [torch.tensor(one) for one in sequences[first : first + rows]]
        ids = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in some], batch_first=True)
        hidden = classifier.model(input_ids=ids, attention_mask=mask).last_hidden_state
        ends = hidden[torch.arange(len(some)), mask.sum(1) - 1]
        found.append(classifier.score(ends.float()).flatten())
    classifier.set_attn_implementation(ours)
    return torch.cat(found).view(-1, 2)


@pytest.mark.parametrize("attention", ["grouped", "sdpa", "varlen"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_rewards_are_those_of_transformers(
    backbone: Path, attention: Attention, sizes: list[tuple[int, int, int]], seed: int
) -> None:
    model, pairs = reward_model(backbone, attention), random_pairs(sizes, seed)
    assert is_flat(model.classifier) == (attention == "varlen")
    torch.testing.assert_close(model.score(pairs), own_rewards(model, pairs, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("attention", ["sdpa", "varlen"])
def test_in_bfloat16_they_differ_as_two_batch_sizes_of_transformers_do(backbone: Path, attention: Attention) -> None:
    pairs = random_pairs([(5 + i, 3 + i % 7, 2 + i % 11) for i in range(24)])
    model = reward_model(backbone, attention, "bfloat16")
    exact = reward_model(backbone, "grouped").score(pairs)
    spread = max((own_rewards(model, pairs, rows) - exact).abs().max().item() for rows in (1, 16))
    assert (model.score(pairs) - exact).abs().max() <= 1.5 * spread


@pytest.mark.parametrize("attention", ["grouped", "sdpa", "varlen"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_plain_sequences(backbone: Path, attention: Attention, checkpointing: bool) -> None:
    pairs = random_pairs([(9, 4, 6), (3, 8, 2), (14, 5, 5)])
    target, weight = torch.tensor([1.0, 0.0, 0.7]), torch.ones(3)

    def gradients(of: RewardModel, rewards: torch.Tensor) -> dict[str, torch.Tensor]:
        pairwise_loss(rewards, target, weight, 3.0, 0.01).backward()
        return {name: one.grad for name, one in of.named_parameters() if one.grad is not None}

    model, plain = reward_model(backbone, attention), reward_model(backbone, "sdpa")
    model.checkpointing = checkpointing
    found = gradients(model.train(), model(model.batch_of(pairs)))
    classifier = plain.classifier
    rewards = [
        classifier.score(classifier.model(input_ids=torch.tensor([pair.prompt + one])).last_hidden_state[0, -1].float())
        for pair in pairs
        for one in (pair.response_a, pair.response_b)
    ]
    wanted = gradients(plain, torch.cat(rewards).view(-1, 2))
    assert found.keys() == wanted.keys() and len(found) > 20
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)


def test_states_after_the_trunk_are_the_same_in_both_layouts(backbone: Path) -> None:
    pairs = random_pairs([(9, 4, 6), (3, 8, 2), (14, 5, 5)])
    flat, padded = (reward_model(backbone, attention) for attention in ("varlen", "grouped"))
    batches = [one.batch_of(pairs) for one in (flat, padded)]
    states = [one.trunk_states(batch) for one, batch in zip((flat, padded), batches, strict=True)]
    rows = [batch.split(hidden) for batch, hidden in zip(batches, states, strict=True)]
    for one, other, pair in zip(*rows, pairs, strict=True):
        assert one.shape == (len(pair), 32)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    for model, batch, own in zip((flat, padded), batches, rows, strict=True):
        assert torch.equal(model(batch, batch.join(list(own))), model(batch))


def test_a_flat_batch_computes_no_token_twice_and_none_for_padding(tiny_backbone: Path) -> None:
    pairs = encoded_pairs(tiny_backbone, 5)
    batch = reward_model(tiny_backbone, "varlen").batch_of(pairs)
    assert batch.input_ids.shape == (1, sum(map(len, pairs)))
    assert batch.sizes == list(map(len, pairs))


def test_attention_dropout_is_refused_where_it_would_not_be_done(tiny_backbone: Path, tmp_path: Path) -> None:
    model = load_model(tiny_backbone, "causal_lm", Arithmetic())
    model.config.attention_dropout = 0.1
    model.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny_backbone / "tokenizer.json").read_bytes())
    load_model(tmp_path, "causal_lm", Arithmetic())
    with pytest.raises(SerError, match=r"attention_dropout is 0\.1.*\nSet it to 0 there"):
        load_model(tmp_path, "causal_lm", Arithmetic(attention="varlen"))
