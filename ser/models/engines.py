"""How pairs and sequences are laid out for the layers of a model, and passed through some of them.

A model whose attention is of variable length takes its rows one after another; any other takes them padded, with a
mask. Both give the same numbers up to rounding, and everything above asks here.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from ser.data.encoding import EncodedPair
from ser.data.flat import FlatBatch, Spans
from ser.data.packing import PackedBatch, pack
from ser.models.attention import VARLEN
from ser.models.last_layer import last_layer_at

Batch = PackedBatch | FlatBatch
Places = torch.Tensor | Spans
"""Which tokens' states are read: columns [B, N] of a padded batch, the attention of those tokens of a flat one."""


def is_flat(model: Any) -> bool:
    """Whether a model takes its rows one after another."""
    return model.config._attn_implementation == VARLEN


def batch_of(model: Any, pairs: Sequence[EncodedPair], device: torch.device) -> Batch:
    """Some pairs as the layers of `model` take them, on a device."""
    batch: Batch = FlatBatch.of_pairs(pairs) if is_flat(model) else pack(pairs)
    return batch.to(device)


def run_layers(
    decoder: Any,
    batch: Batch,
    first: int,
    last: int,
    hidden: torch.Tensor | None = None,
    *,
    checkpointing: bool = False,
    cache: Any = None,
) -> torch.Tensor:
    """Run decoder layers `first` … `last - 1` over a batch and return the hidden states [B, L, H], or [1, T, H].

    `hidden` are the states before layer `first`; without them the tokens are embedded, and `first` must be 0. With
    `checkpointing` the graph keeps what goes into each layer, and the rest is computed again on the way back. A `cache`
    is given the keys and values of each layer, as transformers' attention does.
    """
    if hidden is None:
        hidden = decoder.embed_tokens(batch.input_ids)
    how = {"position_ids": batch.position_ids, "position_embeddings": decoder.rotary_emb(hidden, batch.position_ids)}
    if isinstance(batch, FlatBatch):
        how |= {"attention_mask": None, "spans": batch.spans}
    else:
        mask = torch.zeros_like(batch.mask, dtype=hidden.dtype)
        how["attention_mask"] = mask.masked_fill_(~batch.mask, torch.finfo(hidden.dtype).min)
    if cache is not None:
        how["past_key_values"] = cache
    for layer in decoder.layers[first:last]:
        if checkpointing and torch.is_grad_enabled():
            hidden = checkpoint(layer, hidden, use_reentrant=False, **how)
        else:
            hidden = layer(hidden, **how)
    return hidden


def states_at(
    decoder: Any,
    batch: Batch,
    first: int,
    places: Places,
    hidden: torch.Tensor | None = None,
    *,
    checkpointing: bool = False,
) -> torch.Tensor:
    """The normalised last states [B, N, H], or [Q, H], at some places, from those before layer `first`."""
    before = run_layers(decoder, batch, first, len(decoder.layers) - 1, hidden, checkpointing=checkpointing)
    return decoder.norm(last_layer_at(decoder, batch, before, places))
