"""LoRA in the backbone's arithmetic is PEFT's LoRA, with its gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn

from ser.models.lora import BackboneTypedLora, compute_in_backbone_type


def layers(bias: bool, dropout: float = 0.0) -> tuple[nn.Module, nn.Module]:
    """The same adapted layer twice, with an adapter that does something: PEFT's own, and ours."""
    made = []
    for ours in (False, True):
        torch.manual_seed(0)
        model = get_peft_model(  # type: ignore[type-var]
            nn.Sequential(nn.Linear(6, 5, bias=bias)),
            LoraConfig(r=3, lora_alpha=6, target_modules=["0"], lora_dropout=dropout),
        )
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter)
        if ours:
            compute_in_backbone_type(model)
        made.append(model)
    return made[0], made[1]


def gradients(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = model(x)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    assert x.grad is not None
    return found | {"x": x.grad, "y": y.detach()}


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), bias=st.booleans())
def test_it_is_pefts_layer_with_pefts_gradients(shape: list[int], bias: bool) -> None:
    theirs, ours = layers(bias)
    x = torch.randn(*shape, 6, generator=torch.Generator().manual_seed(1))
    wanted, got = gradients(theirs, x), gradients(ours, x)
    assert wanted.keys() == got.keys() and len(got) == 4
    for name, value in wanted.items():
        assert torch.allclose(got[name], value, atol=1e-5), name


def test_parameters_and_their_gradients_stay_float32_over_bfloat16() -> None:
    theirs, ours = layers(bias=False)
    base = next(one for name, one in ours.named_parameters() if "base_layer" in name)
    base.data = base.data.bfloat16()
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    got, wanted = gradients(ours, x.bfloat16()), gradients(theirs, x)
    assert got["y"].dtype == torch.bfloat16
    for name, value in got.items():
        if "lora" in name:
            assert value.dtype == torch.float32
            assert torch.allclose(value, wanted[name], rtol=0.05, atol=0.05), name


def test_dropout_drops_what_the_adapter_sees_and_nothing_else() -> None:
    _, ours = layers(bias=True, dropout=0.25)
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(3)
    got = gradients(ours.train(), x)
    torch.manual_seed(3)
    keep = torch.empty(40, 6, dtype=torch.bool).bernoulli_(0.75)
    assert 0.6 < keep.float().mean() < 0.9
    weights = {name: one.detach().requires_grad_() for name, one in ours.named_parameters() if "lora" in name}
    a, b = (next(one for name, one in weights.items() if kind in name) for kind in ("lora_A", "lora_B"))
    base = ours.get_submodule("base_model.model.0.base_layer")
    seen = x.clone().requires_grad_()
    y = base(seen) + 2 * (seen * keep / 0.75) @ a.T @ b.T
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    wanted = {name: one.grad for name, one in weights.items()} | {"x": seen.grad, "y": y.detach()}
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value, atol=1e-5, rtol=1e-4)


def test_off_or_merged_it_is_pefts_own() -> None:
    theirs, ours = layers(bias=True)
    x = torch.randn(4, 6)
    with theirs.disable_adapter(), ours.disable_adapter():
        assert torch.equal(ours(x), theirs(x))
    adapted = ours(x)
    ours.merge_adapter()
    assert torch.allclose(ours(x), adapted, atol=1e-5)
    _, dropping = layers(bias=True, dropout=0.5)
    assert any(isinstance(module, BackboneTypedLora) for module in dropping.modules())
    assert not torch.equal(dropping.train()(x), dropping(x)) and torch.equal(dropping.eval()(x), dropping(x))
    with pytest.raises(RuntimeError):
        ours(torch.randn(4, 7))
