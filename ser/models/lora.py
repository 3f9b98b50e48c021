"""LoRA layers that compute in the backbone's arithmetic.

PEFT keeps adapters in float32 and computes in float32: over a bfloat16 backbone each adapted layer casts its
activations there and back. Here the parameters stay in float32 and
are rounded to the backbone's type as they are used; saving, loading, merging and switching remain PEFT's.
"""

from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.nn import functional


class _LowRank(torch.autograd.Function):
    """y = x Wᵀ + bias + scaling (d(x) Aᵀ) Bᵀ with gradients for x, A and B (arXiv 2106.09685, eq. 3).

    x [T, in], W [out, in], A [r, in], B [out, r]; d is dropout, and `keep` [T, in] what it keeps, or None without
    any. The low-rank terms are added in place, and of the activations only x, `keep` and d(x) Aᵀ are kept.
    """

    @staticmethod
    def forward(ctx: Any, x, weight, bias, a, b, scaling: float, keep, share: float):
        a, b = a.to(x.dtype), b.to(x.dtype) * scaling
        low = _dropped(x, keep, share) @ a.T
        ctx.save_for_backward(x, low, weight, a, b, keep)
        ctx.scaling, ctx.share = scaling, share
        return functional.linear(x, weight, bias).addmm_(low, b.T)

    @staticmethod
    def backward(ctx: Any, gradient):
        x, low, weight, a, b, keep = ctx.saved_tensors
        low_gradient, for_x = gradient @ b, None
        if ctx.needs_input_grad[0]:
            for_x = gradient @ weight
            if keep is None:
                for_x.addmm_(low_gradient, a)
            else:
                for_x += _dropped(low_gradient @ a, keep, ctx.share)
        for_a = (low_gradient.T @ _dropped(x, keep, ctx.share)).float()
        for_b = (low.T @ gradient).T.float() * ctx.scaling  # this way round the wide matrix is not transposed
        return for_x, None, None, for_a, for_b, None, None, None


def _dropped(x: torch.Tensor, keep: torch.Tensor | None, share: float) -> torch.Tensor:
    """Inverted dropout: what is kept of x, divided by the share that is (arXiv 1207.0580)."""
    return x if keep is None else (x * keep).div_(share)


class BackboneTypedLora(lora.Linear):
    """A LoRA layer of PEFT whose ordinary case, one adapter that is on, is one function."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        name = self._only_adapter()
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)
        base, a, b = self.get_base_layer(), self.lora_A[name].weight, self.lora_B[name].weight
        rows, share = x.reshape(-1, x.shape[-1]), self._kept_share(name)
        keep = None if share == 1 else torch.empty_like(rows, dtype=torch.bool).bernoulli_(share)
        flat = _LowRank.apply(rows, base.weight, base.bias, a, b, self.scaling[name], keep, share)
        return flat.view(*x.shape[:-1], -1)

    def _kept_share(self, name: str) -> float:
        """How much of what the adapter sees is not dropped."""
        dropout = self.lora_dropout[name]
        return 1 - dropout.p if self.training and isinstance(dropout, nn.Dropout) else 1.0

    def _only_adapter(self) -> str | None:
        """The adapter that is on, if it is the only one and a plain one."""
        names: list[str] = self.active_adapters
        if self.disable_adapters or self.merged or self.lora_variant or len(names) != 1 or names[0] not in self.lora_A:
            return None
        return names[0]


def compute_in_backbone_type(model: nn.Module) -> None:
    """Let the LoRA layers of a PEFT model compute in the type of the backbone."""
    for module in model.modules():
        if type(module) is lora.Linear and isinstance(module.get_base_layer(), nn.Linear):
            module.__class__ = BackboneTypedLora
