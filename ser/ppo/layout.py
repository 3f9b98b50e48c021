"""Prompts with their responses as the layers of a policy take them: padded, or one after another."""

from dataclasses import dataclass

import torch

from ser.data.flat import FlatBatch, reading
from ser.data.packing import PackedBatch, causal
from ser.models.engines import Batch, Places
from ser.ppo.sequences import Sequences


@dataclass(frozen=True)
class Layout:
    """Sequences laid out for the layers.

    Attributes:
        batch: their tokens.
        before: the tokens from whose states each response token is predicted, the ones before them.
        ends: the end tokens, at which the reward is read.
        tokens: the response tokens, [B, T] or, of a flat layout, [N].
        mask: [B, T] of the sequences.
    """

    batch: Batch
    before: Places
    ends: Places
    tokens: torch.Tensor
    mask: torch.Tensor

    @classmethod
    def of(cls, sequences: Sequences, *, flat: bool) -> "Layout":
        """The layout of some sequences, where they lie."""
        if flat:
            return _flat(sequences)
        batch = causal(sequences.input_ids, sequences.ends)
        return cls(batch, sequences.before, batch.ends, sequences.tokens, sequences.mask)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """[B, T] of values at the response tokens; 0 outside the mask where the layout knows nothing."""
        if isinstance(self.batch, PackedBatch):
            return values
        return torch.zeros(self.mask.shape, dtype=values.dtype, device=values.device).masked_scatter(self.mask, values)


def _flat(sequences: Sequences) -> Layout:
    device, mask = sequences.input_ids.device, sequences.mask
    rows, prompts = sequences.input_ids.tolist(), sequences.prompts.tolist()
    sizes, counts = (sequences.ends + 1).tolist(), sequences.responses.tolist()
    parts = ((row[:p], (row[p:n],)) for row, p, n in zip(rows, prompts, sizes, strict=True))
    batch = FlatBatch.of(parts).to(device)
    before = reading(sizes, [p - 1 for p in prompts], counts).to(device)
    return Layout(batch, before, batch.ends, sequences.tokens[mask], mask)
