"""Attention by plain matrix products, for processors.

PyTorch's fused kernel avoids memory that short sequences do not need; on a CPU its backward pass is the slower one.
"""

from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

GROUPED = "ser_grouped"


def grouped_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(scaling * Q Kᵀ + mask) V, with the heads that share keys and values side by side in one product.

    `query` [B, H, L, D]; `key`, `value` [B, G, S, D] with G a divisor of H; `attention_mask` [B, 1, L, S] is added
    to the scores. Returns [B, L, H, D].
    """
    batch, heads, length, width = query.shape
    groups, keys = key.shape[1], key.shape[2]
    folded = (query * scaling).reshape(batch, groups, -1, width)
    scores = torch.matmul(folded, key.transpose(-1, -2)).view(batch, groups, heads // groups, length, keys)
    if attention_mask is not None:
        scores = scores.add_(attention_mask[:, :, None])
    weights = functional.dropout(torch.softmax(scores, dim=-1), dropout).view(batch, groups, -1, keys)
    return torch.matmul(weights, value).view(batch, heads, length, width).transpose(1, 2), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, eager_mask)
