"""Attention: by plain matrix products over padded rows, and of sequences of any lengths, one after another.

On a processor PyTorch's fused kernel avoids memory that short sequences do not need, and its backward pass is the
slower one. On a GPU variable-length flash attention needs no padding and no mask.
"""

from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from ser.data.flat import Spans, sequences_of

GROUPED, VARLEN = "ser_grouped", "ser_varlen"
_WIDTHS = 8
"""The kernel takes heads of a multiple of so many numbers."""


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


def varlen_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    spans: Spans | None = None,
    decoding: bool = False,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of sequences one after another; `query` [1, H, Q, D], `key`, `value` [1, G, T, D].

    Returns [1, Q, H, D]. Where one token a row is asked of a cache, `decoding`, products of whole groups read the cache
    once. In a forward pass that is not ours it is PyTorch's own, over padded rows.
    """
    if decoding:
        return grouped_attention(module, query, key, value, attention_mask, scaling, dropout)
    if spans is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling=scaling, **more)
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    k, v = k.index_select(0, spans.keys), v.index_select(0, spans.keys)
    attend = _flash if q.is_cuda else _one_after_another
    return attend(q, k, v, spans, scaling)[None], None


def _flash(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans, scaling: float) -> torch.Tensor:
    """[Q, H, D] by flash attention (arXiv 2307.08691); a sequence's last query sees all of its keys."""
    from torch.nn.attention.varlen import varlen_attn  # not in every torch that trains on a processor

    width = q.shape[2]
    if width % _WIDTHS:  # numbers of 0 add nothing to a product
        q, k, v = (functional.pad(one, (0, -width % _WIDTHS)) for one in (q, k, v))
    ends = (spans.query_ends, spans.key_ends, max(spans.query_sizes), max(spans.key_sizes))
    grouped = q.shape[1] != k.shape[1]
    mixed = varlen_attn(q, k, v, *ends, scale=scaling, window_size=(-1, 0), enable_gqa=grouped)
    assert isinstance(mixed, torch.Tensor)
    return mixed[..., :width]


def _one_after_another(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans, scaling: float) -> torch.Tensor:
    """The same by plain products in float32, as the kernel sums: what it is compared with, and runs where it is not."""
    mixed = []
    for asked, answering in sequences_of(spans):
        query, key, value = (one.transpose(0, 1)[None].float() for one in (q[asked], k[answering], v[answering]))
        n, m = query.shape[2], key.shape[2]
        hidden = torch.ones(n, m, dtype=torch.bool, device=q.device).triu(m - n + 1)
        mask = torch.zeros(n, m, device=q.device).masked_fill_(hidden, torch.finfo(torch.float32).min)
        mixed.append(grouped_attention(None, query, key, value, mask[None, None], scaling)[0][0])
    return torch.cat(mixed).to(q.dtype)


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, eager_mask)
AttentionInterface.register(VARLEN, varlen_attention)
AttentionMaskInterface.register(VARLEN, sdpa_mask)
