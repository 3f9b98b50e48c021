"""The last decoder layer, computed only where something is read from it.

A reward is read at two tokens of a pair, a policy's logits at the tokens of a response. Of the last layer the other
tokens need their keys and values, and neither queries nor feed-forward network.
"""

from typing import Any

import torch
from transformers.models.llama.modeling_llama import rotate_half

from ser.data.flat import FlatBatch, Spans
from ser.data.packing import PackedBatch
from ser.models.attention import grouped_attention, varlen_attention


def last_layer_at(
    decoder: Any, batch: PackedBatch | FlatBatch, hidden: torch.Tensor, places: torch.Tensor | Spans
) -> torch.Tensor:
    """The states after the last layer of `decoder`, from those before it.

    Of a padded batch [B, N, H] at columns [B, N], from [B, L, H]; of a flat one [Q, H] at the queries of spans, from
    [1, T, H]. Only for the model types of `PACKABLE`, whose layers differ in the norms of queries and keys alone.
    """
    layer = decoder.layers[-1]
    attention = layer.self_attn
    states = layer.input_layernorm(hidden)
    rotary = decoder.rotary_emb(hidden, batch.position_ids)
    if isinstance(places, Spans):
        assert places.queries is not None
        chosen, mixed = hidden[0, places.queries], _mix_flat(attention, states, rotary, places)
    else:
        assert isinstance(batch, PackedBatch)
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        chosen, mixed = hidden[rows, places], _mix_padded(attention, batch, states, rotary, places)
    chosen = chosen + attention.o_proj(mixed.flatten(-2))
    return chosen + layer.mlp(layer.post_attention_layernorm(chosen))


def _mix_padded(
    attention: Any,
    batch: PackedBatch,
    states: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
    columns: torch.Tensor,
) -> torch.Tensor:
    """[B, N, heads, D] of the queries at `columns`."""
    rows = torch.arange(len(states), device=states.device)[:, None]
    cos, sin = rotary
    query = _heads(attention, states[rows, columns], "q")
    key, value = _heads(attention, states, "k"), _heads(attention, states, "v")
    visible = batch.mask.expand(len(states), -1, -1, -1)[rows, 0, columns]
    mask = torch.zeros_like(visible, dtype=states.dtype).masked_fill_(~visible, torch.finfo(states.dtype).min)
    mixed, _ = grouped_attention(
        attention,
        _rotated(query, cos[rows, columns], sin[rows, columns]),
        _rotated(key, cos, sin),
        value,
        mask[:, None],
        scaling=attention.scaling,
        dropout=attention.attention_dropout if attention.training else 0.0,
    )
    return mixed


def _mix_flat(
    attention: Any, states: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor], spans: Spans
) -> torch.Tensor:
    """[Q, heads, D] of the queries of `spans`."""
    cos, sin = rotary
    query = _heads(attention, states[:, spans.queries], "q")
    key, value = _heads(attention, states, "k"), _heads(attention, states, "v")
    mixed, _ = varlen_attention(
        attention,
        _rotated(query, cos[:, spans.queries], sin[:, spans.queries]),
        _rotated(key, cos, sin),
        value,
        None,
        scaling=attention.scaling,
        spans=spans,
    )
    return mixed[0]


def _heads(attention: Any, states: torch.Tensor, which: str) -> torch.Tensor:
    """Queries, keys or values [B, heads, L, D] of `states` [B, L, H]."""
    heads = getattr(attention, f"{which}_proj")(states).unflatten(-1, (-1, attention.head_dim))
    norm = getattr(attention, f"{which}_norm", None)  # Qwen 3 has one for queries and one for keys
    return (heads if norm is None else norm(heads)).transpose(1, 2)


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (arXiv 2104.09864, eq. 34) of [B, heads, L, D] by [B, L, D]."""
    return heads * cos[:, None] + rotate_half(heads) * sin[:, None]
