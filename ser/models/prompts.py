"""Prompts pass once through all layers, and their keys and values are kept for what is decoded after them."""

from collections.abc import Sequence
from typing import Any

import torch

from ser.data.flat import FlatBatch
from ser.data.packing import pad
from ser.models.engines import is_flat, run_layers


def read_prompts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    keys: Sequence[torch.Tensor],
    values: Sequence[torch.Tensor],
    first_row: int,
) -> torch.Tensor:
    """The normalised last states [B, H] of some prompts.

    Their keys and values go into the rows from `first_row` on of `keys` and `values` (for each layer [R, G, S, D]), a
    slot a position.
    """
    decoder, device = model.model, model.device
    whole = slice(first_row, first_row + len(prompts))
    own_keys, own_values = [one[whole] for one in keys], [one[whole] for one in values]
    if is_flat(model):
        flat = FlatBatch.of(((), (prompt,)) for prompt in prompts).to(device)
        cache: Any = _FlatPrompts(own_keys, own_values, flat)
        return decoder.norm(run_layers(decoder, flat, 0, len(decoder.layers), cache=cache)[0, flat.ends.queries])
    batch = pad(prompts).to(device)
    hidden = run_layers(decoder, batch, 0, len(decoder.layers), cache=_PaddedPrompts(own_keys, own_values))
    return decoder.norm(hidden[torch.arange(len(prompts), device=device), batch.ends[:, 0]])


class _PaddedPrompts:
    """Takes in keys and values of prompts that are padded on the right: their columns are their positions."""

    def __init__(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]):
        self._keys, self._values = keys, values

    def update(self, key: torch.Tensor, value: torch.Tensor, layer_idx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep [B, G, L, D], and attend to nothing else."""
        length = key.shape[2]
        self._keys[layer_idx][:, :, :length] = key
        self._values[layer_idx][:, :, :length] = value
        return key, value


class _FlatPrompts:
    """The same of prompts one after another."""

    def __init__(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], batch: FlatBatch):
        self._keys, self._values = keys, values
        sizes = torch.tensor(batch.sizes)
        self._rows = torch.arange(len(sizes)).repeat_interleave(sizes).to(batch.input_ids.device)
        self._positions = batch.position_ids[0]

    def update(self, key: torch.Tensor, value: torch.Tensor, layer_idx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep [1, G, T, D], and attend to nothing else."""
        self._keys[layer_idx][self._rows, :, self._positions] = key[0].transpose(0, 1)
        self._values[layer_idx][self._rows, :, self._positions] = value[0].transpose(0, 1)
        return key, value
