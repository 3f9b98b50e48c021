"""The last decoder layer, computed only where something is read from it.

A reward is read at two tokens of a pair, a policy's logits at the tokens of a response. Of the last layer the other
tokens need their keys and values, and neither queries nor feed-forward network.
"""

from typing import Any

import torch
from transformers.models.llama.modeling_llama import rotate_half

from ser.data.packing import PackedBatch
from ser.models.attention import grouped_attention


def last_layer_at(decoder: Any, batch: PackedBatch, hidden: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The states [B, N, H] after the last layer of `decoder` at `columns` [B, N], from those before it [B, L, H].

    Only for the model types of `PACKABLE`, whose layers differ in the norms of queries and keys alone.
    """
    layer = decoder.layers[-1]
    attention = layer.self_attn
    rows = torch.arange(len(hidden), device=hidden.device)[:, None]
    states = layer.input_layernorm(hidden)
    query = _heads(attention, states[rows, columns], "q")
    key, value = _heads(attention, states, "k"), _heads(attention, states, "v")
    cos, sin = decoder.rotary_emb(hidden, batch.position_ids)
    visible = batch.mask.expand(len(hidden), -1, -1, -1)[rows, 0, columns]
    mask = torch.zeros_like(visible, dtype=hidden.dtype).masked_fill_(~visible, torch.finfo(hidden.dtype).min)
    mixed, _ = grouped_attention(
        attention,
        _rotated(query, cos[rows, columns], sin[rows, columns]),
        _rotated(key, cos, sin),
        value,
        mask[:, None],
        scaling=attention.scaling,
        dropout=attention.attention_dropout if attention.training else 0.0,
    )
    chosen = hidden[rows, columns] + attention.o_proj(mixed.flatten(2))
    return chosen + layer.mlp(layer.post_attention_layernorm(chosen))


def _heads(attention: Any, states: torch.Tensor, which: str) -> torch.Tensor:
    """Queries, keys or values [B, heads, L, D] of `states` [B, L, H]."""
    heads = getattr(attention, f"{which}_proj")(states).unflatten(-1, (-1, attention.head_dim))
    norm = getattr(attention, f"{which}_norm", None)  # Qwen 3 has one for queries and one for keys
    return (heads if norm is None else norm(heads)).transpose(1, 2)


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (arXiv 2104.09864, eq. 34) of [B, heads, L, D] by [B, L, D]."""
    return heads * cos[:, None] + rotate_half(heads) * sin[:, None]
