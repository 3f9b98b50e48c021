"""A bfloat16 weight has no room for a small update: it has to show in what is scored nevertheless."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from peft import get_peft_model

from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.generation import generate
from ser.models.reward_model import RewardModel, fold_in, load_to_score, lora_config
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic, Lora
from tests.models import encoded_pairs

BFLOAT16 = Arithmetic(dtype="bfloat16")


@pytest.fixture
def wide(tiny_backbone: Path, tmp_path: Path) -> Path:
    """The tiny backbone with large activations before the last matrix: small updates of it add up to a difference."""
    model: Any = load_model(tiny_backbone, "causal_lm", Arithmetic())
    model.model.layers[-1].mlp.up_proj.weight.data *= 300
    model.save_pretrained(tmp_path / "wide")
    load_tokenizer(tiny_backbone).save_pretrained(tmp_path / "wide")
    return tmp_path / "wide"


def test_an_update_below_half_a_spacing_shows_in_the_scores(wide: Path, tmp_path: Path) -> None:
    model, pairs = RewardModel.new(wide, Lora(r=1, alpha=1, top=0.25), BFLOAT16, random_seed=0), encoded_pairs(wide, 8)
    layer, seen = model.classifier.model.layers[-1].mlp.down_proj, []
    watch = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].float().flatten(0, -2)))
    model.save(tmp_path / "zero")
    model.score(pairs)
    watch.remove()
    head = model.classifier.score.modules_to_save["default"].weight
    layer.lora_A["default"].weight.data[:] = seen[0].mean(0).sign()
    layer.lora_B["default"].weight.data[:] = 2e-5 * head.sign().T
    model.save(tmp_path / "small")

    def effect(arithmetic: Arithmetic) -> float:
        small, zero = (load_to_score(wide, tmp_path / name, arithmetic).score(pairs) for name in ("small", "zero"))
        return (small - zero).mean().item()

    assert effect(Arithmetic()) > 1e-3
    assert effect(BFLOAT16) == pytest.approx(effect(Arithmetic()), rel=0.2)  # merged, it was a third of that


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_policy_speaks_through_its_adapter(tiny_backbone: Path, dtype: Literal["float32", "bfloat16"]) -> None:
    base: Any = load_model(tiny_backbone, "causal_lm", Arithmetic(dtype=dtype))
    before = generate(Decoder(base), [[5, 6, 7]], 8, 2).responses
    peft: Any = get_peft_model(base, lora_config(Lora(r=4), base.config, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(0)
    for name, parameter in peft.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    policy = fold_in(peft)
    assert any("lora_A" in name for name, _ in policy.named_parameters()) == (dtype == "bfloat16")
    assert generate(Decoder(policy), [[5, 6, 7]], 8, 2).responses != before
