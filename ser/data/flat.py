"""Prompts with their responses one after another, without padding and without a mask.

Attention is told which tokens form a sequence: of a pair these are prompt + a, over themselves, and b, over prompt + b.
So response b does not see response a, and a batch of any lengths costs its tokens and no more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import torch

from ser.data.encoding import EncodedPair
from ser.data.transfer import to_device

Device = torch.device | str
Row = tuple[Sequence[int], Sequence[Sequence[int]]]
"""The tokens of a prompt, and of one or more responses to it."""


@dataclass(frozen=True)
class Spans:
    """Sequences of queries, each of which is the last part of its keys: what variable-length attention is told.

    Attributes:
        queries: [Q] which tokens ask; None if it is all of them in their order.
        keys: [K] which tokens answer.
        query_ends, key_ends: [S + 1] int32: where the queries and the keys of each of `S` sequences end, after a 0.
        query_sizes, key_sizes: the lengths of the sequences, on the host.
    """

    queries: torch.Tensor | None
    keys: torch.Tensor
    query_ends: torch.Tensor
    key_ends: torch.Tensor
    query_sizes: list[int]
    key_sizes: list[int]

    @classmethod
    def of(cls, queries: Sequence[range] | None, keys: Sequence[Sequence[range]], sizes: Sequence[int]) -> "Spans":
        """Spans of sequences whose queries number `sizes`, from the ranges of tokens of their queries and keys."""
        key_sizes = [sum(map(len, parts)) for parts in keys]
        asked = None if queries is None else _indices(queries)
        return cls(asked, _indices(chain(*keys)), _ends(sizes), _ends(key_sizes), list(sizes), key_sizes)

    def to(self, device: Device) -> "Spans":
        """The same on a device."""
        queries = None if self.queries is None else to_device(self.queries, device)
        query_ends, key_ends = to_device(self.query_ends, device), to_device(self.key_ends, device)
        return Spans(queries, to_device(self.keys, device), query_ends, key_ends, self.query_sizes, self.key_sizes)


@dataclass(frozen=True)
class FlatBatch:
    """`B` rows of `T` tokens in all.

    Attributes:
        input_ids, position_ids: [1, T]; every response begins at the length of its prompt.
        spans: the attention of all tokens.
        ends: that of the last token of each response, in the order of the rows.
        sizes: how many tokens each row has.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    spans: Spans
    ends: Spans
    sizes: list[int]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "FlatBatch":
        """The batch of these rows, on the processor."""
        tokens: list[int] = []
        positions: list[range] = []
        sizes, ends, heads, keys = [], [], [], []
        for prompt, responses in rows:
            first, stem = len(tokens), range(len(tokens), len(tokens) + len(prompt))
            tokens += prompt
            positions.append(range(len(prompt)))
            for number, response in enumerate(responses):
                own = range(len(tokens), len(tokens) + len(response))
                tokens += response
                positions.append(range(len(prompt), len(prompt) + len(response)))
                heads.append(len(response) + (len(prompt) if number == 0 else 0))
                keys.append((stem, own))
                ends.append(range(own.stop - 1, own.stop))
            sizes.append(len(tokens) - first)
        spans, last = Spans.of(None, keys, heads), Spans.of(ends, keys, [1] * len(ends))
        return cls(torch.tensor([tokens]), _indices(positions)[None], spans, last, sizes)

    @classmethod
    def of_pairs(cls, pairs: Iterable[EncodedPair]) -> "FlatBatch":
        """The batch of these pairs."""
        return cls.of((pair.prompt, (pair.response_a, pair.response_b)) for pair in pairs)

    def to(self, device: Device) -> "FlatBatch":
        """The same batch on `device`."""
        ids, positions = to_device(self.input_ids, device), to_device(self.position_ids, device)
        return FlatBatch(ids, positions, self.spans.to(device), self.ends.to(device), self.sizes)

    def split(self, hidden: torch.Tensor) -> Sequence[torch.Tensor]:
        """The states [tokens, H] of each row, of those of the batch [1, T, H]."""
        return hidden[0].split(self.sizes)

    def join(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """The states of the batch, of those of each row."""
        return torch.cat(list(rows))[None]


def reading(sizes: Sequence[int], first: Sequence[int], counts: Sequence[int]) -> Spans:
    """The attention of `counts` tokens from `first` on in each row of `sizes` tokens with one response, on the host."""
    starts = [0, *np.cumsum(sizes).tolist()[:-1]]
    queries = [range(at + f, at + f + n) for at, f, n in zip(starts, first, counts, strict=True)]
    return Spans.of(queries, [(range(at, one.stop),) for at, one in zip(starts, queries, strict=True)], counts)


def _indices(ranges: Iterable[range]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.arange(one.start, one.stop) for one in ranges]))


def _ends(sizes: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.cumsum([0, *sizes], dtype=np.int32))


def sequences_of(spans: Spans) -> Iterable[tuple[slice, slice]]:
    """Where the queries and where the keys of each sequence lie, for an attention that takes one after the other."""
    queries = pairwise(np.cumsum([0, *spans.query_sizes]).tolist())
    keys = pairwise(np.cumsum([0, *spans.key_sizes]).tolist())
    return ((slice(*asked), slice(*answering)) for asked, answering in zip(queries, keys, strict=True))
