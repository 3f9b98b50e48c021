"""A backbone in 4 bits: loaded, trained over, scored with; never merged, and refused where it is damaged."""

import json
from pathlib import Path

import pytest

pytest.importorskip("bitsandbytes", reason="4 bits need `pip install 'ser-dagster[gpu]'`")

import torch
from safetensors.torch import load_file, save_file

from ser.data.packing import pack
from ser.errors import SerError
from ser.models import nf4
from ser.models.backbone import load_model
from ser.models.nf4 import is_in_four_bits
from ser.models.reward_model import RewardModel, fold_in, load_to_score
from ser.specs import Arithmetic, Lora
from tests.models import encoded_pairs
from tests.published import write_published

LORA = Lora(r=4, alpha=8, dropout=0.1, top=1.0)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published("llama-3-8b", tmp_path_factory.mktemp("published"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_scores_close_to_full_weights_and_trains_what_lies_over_it(
    backbone: Path, tmp_path: Path, dtype: str
) -> None:
    pairs = encoded_pairs(backbone, 16)
    full = RewardModel.new(backbone, LORA, Arithmetic(dtype=dtype), random_seed=0).eval()
    model = RewardModel.new(backbone, LORA, Arithmetic(dtype=dtype, weights="nf4"), random_seed=0).eval()
    before = model.score(pairs)
    correlation = torch.corrcoef(torch.stack([full.score(pairs).flatten(), before.flatten()]))[0, 1]
    assert 0.8 < correlation < 0.9999  # close, and not the same weights
    layer = model.classifier.model.layers[0].mlp.up_proj.base_layer
    assert layer.weight.dtype == torch.uint8 and layer.weight.numel() == 32 * 64 // 2
    assert layer.weight.quant_state.nested and layer.compute_dtype == getattr(torch, dtype)
    assert model.classifier.score.weight.dtype == torch.float32 and model.classifier.dtype == getattr(torch, dtype)

    frozen = layer.weight.data.clone()
    model.train()
    optimiser = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.5)
    for _ in range(2):  # at first only B has a gradient: it is zero, so that nothing reaches A
        optimiser.zero_grad()
        model(pack(pairs)).sum().backward()
        optimiser.step()
    adapters = {name: one for name, one in model.named_parameters() if "lora_" in name}
    assert adapters and all(one.dtype == torch.float32 and one.grad.abs().sum() > 0 for one in adapters.values())
    after = model.eval().score(pairs)
    assert (after - before).abs().min() > 0.01 and torch.equal(layer.weight.data, frozen)
    assert torch.equal(model.score(pairs), after)

    model.save(tmp_path / "rm")
    loaded = load_to_score(backbone, tmp_path / "rm", Arithmetic(dtype=dtype, weights="nf4"))
    assert torch.equal(loaded.score(pairs), after)
    assert is_in_four_bits(loaded.classifier) and "lora_A" in "".join(dict(loaded.named_parameters()))


def test_an_adapter_is_not_folded_into_four_bits(backbone: Path, tmp_path: Path) -> None:
    from ser.models.adapters import load_adapter
    from ser.ppo.policy import Policy

    arithmetic = Arithmetic(weights="nf4")
    RewardModel.new(backbone, LORA, arithmetic, random_seed=0).save(tmp_path / "rm")
    policy = Policy.new(backbone, tmp_path / "rm", Lora(r=2, top=1.0), arithmetic, random_seed=0)
    policy.save(tmp_path)
    folded = fold_in(load_adapter(load_model(backbone, "causal_lm", arithmetic), tmp_path / "policy", "CAUSAL_LM"))
    assert any("lora_A" in name for name, _ in folded.named_parameters())
    assert folded.lm_head.weight.dtype == torch.float32


@pytest.mark.parametrize("place", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_found_although_four_bits_hide_them(tmp_path: Path, place: str, value: float) -> None:
    folder = write_published("llama-3-8b", tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights[place].view(-1)[7] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SerError, match=f"weights are not finite numbers: {place}"):
        load_model(folder, "reward", Arithmetic(weights="nf4"))


def test_sizes_are_compared_and_missing_weights_named_as_ever(tmp_path: Path) -> None:
    folder = write_published("mistral-7b", tmp_path)
    weights = load_file(folder / "model.safetensors")
    gone = weights.pop("model.layers.2.self_attn.q_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SerError, match=r"weights are missing: model\.layers\.2\.self_attn\.q_proj\.weight"):
        load_model(folder, "reward", Arithmetic(weights="nf4"))
    save_file(weights | {"model.layers.2.self_attn.q_proj.weight": gone[:16].clone()}, folder / "model.safetensors")
    with pytest.raises(SerError, match="other sizes"):
        load_model(folder, "reward", Arithmetic(weights="nf4"))


def test_a_folder_that_is_quantised_already_is_refused_all_the_same(tmp_path: Path) -> None:
    folder = write_published("llama-3-8b", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(SerError, match="quantization_config"):
        load_model(folder, "reward", Arithmetic(weights="nf4"))


def test_without_the_library_the_remedy_is_said(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nf4, "find_spec", lambda name: None)
    with pytest.raises(SerError) as error:
        load_model(backbone, "reward", Arithmetic(weights="nf4"))
    first, second = str(error.value).splitlines()
    assert "nf4 needs bitsandbytes" in first and "pip install 'ser-dagster[gpu]'" in second
    load_model(backbone, "reward", Arithmetic())
