"""A pair as one sequence: prompt + a + b, so that the prompt is computed once.

Response b does not see response a, and its positions continue from the prompt, so each response's reward is
what it would be in a sequence of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ser.data.encoding import EncodedPair


@dataclass
class PackedBatch:
    """`B` packed pairs padded on the right to `L` tokens.

    Attributes:
        input_ids: [B, L] token ids.
        position_ids: [B, L] positions; both responses start at the length of the prompt.
        mask: [B, 1, L, L] boolean, True where a query (row) may attend to a key (column).
        ends: [B, 2] index of the last token of response a and of response b.
        sizes: how many tokens each row has.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    ends: torch.Tensor
    sizes: list[int]

    def to(self, device: torch.device | str) -> "PackedBatch":
        """The same batch on `device`."""
        ids, positions = self.input_ids.to(device), self.position_ids.to(device)
        return PackedBatch(ids, positions, self.mask.to(device), self.ends.to(device), self.sizes)

    def split(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        """The states [tokens, H] of each row, of those of the batch [B, L, H]."""
        return [row[:size] for row, size in zip(hidden, self.sizes, strict=True)]

    def join(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """The states of the batch, of those of each row."""
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def pack(pairs: Sequence[EncodedPair]) -> PackedBatch:
    """Pack and pad a batch of pairs."""
    length = max(len(pair) for pair in pairs)
    input_ids = torch.zeros(len(pairs), length, dtype=torch.long)
    position_ids = torch.zeros(len(pairs), length, dtype=torch.long)
    part = torch.full((len(pairs), length), -1)
    ends = torch.empty(len(pairs), 2, dtype=torch.long)
    for row, pair in enumerate(pairs):
        p, a, b = len(pair.prompt), len(pair.response_a), len(pair.response_b)
        input_ids[row, : p + a + b] = torch.tensor(pair.prompt + pair.response_a + pair.response_b)
        position_ids[row, : p + a] = torch.arange(p + a)
        position_ids[row, p + a : p + a + b] = torch.arange(p, p + b)
        part[row, :p], part[row, p : p + a], part[row, p + a : p + a + b] = 0, 1, 2
        ends[row] = torch.tensor([p + a - 1, p + a + b - 1])
    return PackedBatch(input_ids, position_ids, _mask(part), ends, list(map(len, pairs)))


def causal(input_ids: torch.Tensor, ends: torch.Tensor) -> PackedBatch:
    """Plain sequences [B, L], of which each ends at `ends` [B]: padding on the right is hidden from all of them."""
    length, device = input_ids.shape[1], input_ids.device
    mask = torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril()
    positions = torch.arange(length, device=device).expand(len(input_ids), -1)
    return PackedBatch(input_ids, positions, mask, ends[:, None], (ends + 1).tolist())


def pad(sequences: Sequence[Sequence[int]]) -> PackedBatch:
    """Plain sequences as a batch."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for one in sequences], batch_first=True)
    return causal(ids, torch.tensor([len(one) - 1 for one in sequences]))


def unpack(batch: PackedBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """The two plain sequences of every pair, prompt + response, padded on the right.

    Returns token ids [2 B, L] (a and b of the first pair, then of the next) and the index [2 B] of each one's end.
    """
    sequences: list[torch.Tensor] = []
    for tokens, positions, (end_a, end_b) in zip(batch.input_ids, batch.position_ids, batch.ends.tolist(), strict=True):
        prompt = tokens[: int(positions[end_a + 1])]
        sequences += [tokens[: end_a + 1], torch.cat([prompt, tokens[end_a + 1 : end_b + 1]])]
    ends = torch.tensor([len(sequence) - 1 for sequence in sequences], device=batch.input_ids.device)
    return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True), ends


def _mask(part: torch.Tensor) -> torch.Tensor:
    """The attention mask of rows whose tokens are prompt (0), a (1), b (2) or padding (-1)."""
    length = part.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    query, key = part[:, :, None], part[:, None, :]
    visible = causal & (key >= 0) & ((key == 0) | (key == query))
    # A row that may attend to nothing would become NaN, so padding attends to itself.
    return (visible | torch.eye(length, dtype=torch.bool))[:, None]
