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
    """y = x Wᵀ + bias + scaling (x Aᵀ) Bᵀ with gradients for x, A and B (arXiv 2106.09685, eq. 3).

    x [T, in], W [out, in], A [r, in], B [out, r]; the low-rank terms are added in place, and of the activations only x
    and x Aᵀ are kept.
    """

    @staticmethod
    def forward(ctx: Any, x, weight, bias, a, b, scaling: float):
        a, b = a.to(x.dtype), b.to(x.dtype) * scaling
        low = x @ a.T
        ctx.save_for_backward(x, low, weight, a, b)
        ctx.scaling = scaling
        return functional.linear(x, weight, bias).addmm_(low, b.T)

    @staticmethod
    def backward(ctx: Any, gradient):
        x, low, weight, a, b = ctx.saved_tensors
        low_gradient = gradient @ b
        for_x = (gradient @ weight).addmm_(low_gradient, a) if ctx.needs_input_grad[0] else None
        for_a = (low_gradient.T @ x).float()
        for_b = (low.T @ gradient).T.float() * ctx.scaling  # this way round the wide matrix is not transposed
        return for_x, None, None, for_a, for_b, None


class BackboneTypedLora(lora.Linear):
    """A LoRA layer of PEFT whose ordinary case, one adapter without dropout, is one function."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        name = self._only_adapter()
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)
        base, a, b = self.get_base_layer(), self.lora_A[name].weight, self.lora_B[name].weight
        flat = _LowRank.apply(x.reshape(-1, x.shape[-1]), base.weight, base.bias, a, b, self.scaling[name])
        return flat.view(*x.shape[:-1], -1)

    def _only_adapter(self) -> str | None:
        """The adapter that is on, if it is the only one and a plain one."""
        names: list[str] = self.active_adapters
        if self.disable_adapters or self.merged or self.lora_variant or len(names) != 1 or names[0] not in self.lora_A:
            return None
        return names[0] if isinstance(self.lora_dropout[names[0]], nn.Identity) else None


def compute_in_backbone_type(model: nn.Module) -> None:
    """Let the LoRA layers of a PEFT model compute in the type of the backbone."""
    for module in model.modules():
        if type(module) is lora.Linear and isinstance(module.get_base_layer(), nn.Linear):
            module.__class__ = BackboneTypedLora
