"""A backbone that stays in memory gives every stage a model of its own over the same weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ser.models import backbone, resident
from ser.models.backbone import load_model, read_model
from ser.models.decoding import Decoder
from ser.models.generation import generate
from ser.models.reward_model import RewardModel
from ser.ppo.policy import Policy
from ser.specs import Arithmetic, Lora
from tests.models import backbone_of, encoded_pairs

ARITHMETIC = Arithmetic(dtype="bfloat16", attention="varlen")


@pytest.fixture(autouse=True)
def stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a GPU."""
    monkeypatch.setattr(backbone, "may_stay", lambda folder, arithmetic: True)
    yield
    resident.forget_resident()


@pytest.fixture(params=["llama", "mistral", "qwen2", "qwen3"])
def folder(request: pytest.FixtureRequest, tiny_backbone: Path, tmp_path: Path) -> Path:
    return tiny_backbone if request.param == "llama" else backbone_of(request.param, tiny_backbone, tmp_path / "model")


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    monkeypatch.setattr(backbone, "read_model", lambda *args: read.append(args[1]) or read_model(*args))
    return read


def test_it_is_read_once_and_computes_what_models_of_their_own_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = encoded_pairs(folder, 6)
    monkeypatch.setattr(backbone, "may_stay", lambda *_: False)
    lora = Lora(r=4, top=0.5)
    alone = RewardModel.new(folder, lora, ARITHMETIC, random_seed=3).eval()
    prompts, wanted = [[5, 6, 7], [9, 10]], load_model(folder, "causal_lm", ARITHMETIC)
    said = generate(Decoder(wanted), prompts, 8, 2)
    monkeypatch.setattr(backbone, "may_stay", lambda *_: True)
    read = count_reads(monkeypatch)
    first = RewardModel.new(folder, lora, ARITHMETIC, random_seed=3).eval()
    assert torch.equal(first.score(pairs), alone.score(pairs))
    first.save(tmp_path / "rm")
    loaded = RewardModel.load(folder, tmp_path / "rm", ARITHMETIC)
    assert torch.equal(loaded.score(pairs), alone.score(pairs))
    policy = Policy.new(folder, tmp_path / "rm", lora, ARITHMETIC, 0)
    assert generate(Decoder(policy.language_model), prompts, 8, 2) == said
    assert read == ["causal_lm"]


def test_adapters_come_and_go_and_weights_are_shared_and_stay(
    tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = encoded_pairs(tiny_backbone, 4)
    one, other = (RewardModel.new(tiny_backbone, Lora(r=4), ARITHMETIC, random_seed=seed) for seed in (0, 1))
    weights = [model.classifier.model.layers[0].self_attn.q_proj.weight for model in (one, other)]
    assert weights[0] is weights[1] and not weights[0].requires_grad
    before = [parameter.clone() for parameter in load_model(tiny_backbone, "causal_lm", ARITHMETIC).parameters()]
    rewards = other.eval().score(pairs)
    optimizer = torch.optim.AdamW([one for one in one.parameters() if one.requires_grad], lr=0.1)
    one.train()(one.batch_of(pairs)).sum().backward()
    optimizer.step()
    assert torch.equal(other.score(pairs), rewards)
    after = load_model(tiny_backbone, "causal_lm", ARITHMETIC)
    assert not any("lora" in name for name, _ in after.named_parameters())
    assert all(torch.equal(x, y) for x, y in zip(before, after.parameters(), strict=True))


def test_a_folder_that_has_changed_is_read_again(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = backbone_of("mistral", tiny_backbone, tmp_path / "model")
    read = count_reads(monkeypatch)
    first = load_model(changed, "causal_lm", ARITHMETIC)
    first.save_pretrained(changed)
    load_model(changed, "reward", ARITHMETIC)
    assert len(read) == 2 and len(resident._RESIDENT) == 1


@pytest.mark.parametrize(
    ("arithmetic", "stays"),
    [
        (Arithmetic(device="cuda", dtype="bfloat16", attention="varlen"), True),
        (Arithmetic(device="cuda", dtype="float32", attention="sdpa"), False),  # adapters are folded into it
        (Arithmetic(device="cuda", dtype="bfloat16", attention="varlen", weights="nf4"), False),
        (Arithmetic(dtype="bfloat16"), False),
    ],
)
def test_what_may_be_written_is_not_shared(tiny_backbone: Path, arithmetic: Arithmetic, stays: bool) -> None:
    assert resident.may_stay(tiny_backbone, arithmetic) == stays
