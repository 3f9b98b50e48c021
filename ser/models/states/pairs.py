"""Pairs as the trunk leaves them: token ids and, from a cache, hidden states after the frozen layers.

Every reward model over one backbone shares its frozen trunk, so each pair passes through it once; training and
scoring run the layers above it only. What the cache lacks goes through the trunk again, to the same states: bit for bit
where the batches are the same, else within rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import torch

from ser.data import tables
from ser.data.batches import batch_numbers
from ser.data.encoded import read_slices
from ser.data.encoding import EncodedPair
from ser.data.transfer import to_device
from ser.models.engines import Batch
from ser.models.reward_model import RewardModel
from ser.models.states.disk import StatesCache
from ser.models.states.kept import KeptStates, kept_states
from ser.models.token_budget import TokenBudget
from ser.specs import Arithmetic

Result = TypeVar("Result")
States = StatesCache | KeptStates


def open_states(folder: Path | None, encoded: Path, trunk: int, arithmetic: Arithmetic) -> States | None:
    """What is kept in memory instead of a cache in `folder`, or the cache, if it holds the states of these tokens."""
    kept = None if folder is None else kept_states(folder)
    return StatesCache.open(folder, encoded, trunk, arithmetic) if kept is None else kept


class PairStates:
    """The pairs of an `encoded.parquet`, with their states where a cache has them; a slice is in memory at a time."""

    def __init__(self, encoded: Path, cache: States | None = None):
        self._encoded, self._cache = encoded, cache

    def __len__(self) -> int:
        return tables.count(self._encoded)

    def slices(self) -> Iterator[tuple[int, list["EncodedStates"]]]:
        """Every slice with its pairs."""
        for number, rows in read_slices(self._encoded):
            yield number, [EncodedStates(row, self._cache) for row in rows]

    def pairs(self) -> Iterator["EncodedStates"]:
        """Every pair."""
        for _, items in self.slices():
            yield from items


class EncodedStates:
    """One encoded pair and where its states lie."""

    __slots__ = ("_cache", "_offset", "_slice", "pair")

    def __init__(self, row: dict[str, Any], cache: States | None):
        self.pair = EncodedPair(row["pair_id"], row["prompt"], row["response_a"], row["response_b"], row["cut"])
        self._cache, self._slice, self._offset = cache, row["slice"], row["offset"]

    def states(self) -> torch.Tensor | None:
        """Hidden states [tokens, H] after the trunk, or None where they are not known."""
        return None if self._cache is None else self._cache.read(self._slice, self._offset, len(self.pair))

    @property
    def keeps(self) -> bool:
        """Whether its states are kept in memory as soon as they have been computed."""
        return isinstance(self._cache, KeptStates)

    def keep(self, states: torch.Tensor) -> None:
        """Take them, if they are."""
        if isinstance(self._cache, KeptStates):
            self._cache.keep(self._slice, self._offset, states)


def in_batches(
    items: Sequence[EncodedStates], budget: TokenBudget, work: Callable[[list[EncodedStates]], Result]
) -> Iterator[tuple[list[EncodedStates], Result]]:
    """Some pairs in batches of their order, with what `work` makes of each batch."""
    done = 0
    while done < len(items):
        batch, result = budget.run(partial(_first, items[done:], work))
        done += len(batch)
        yield batch, result


def _first(
    items: Sequence[EncodedStates], work: Callable[[list[EncodedStates]], Result], tokens: int
) -> tuple[list[EncodedStates], Result]:
    """The first batch of at most so many tokens."""
    numbers = batch_numbers((len(item.pair) for item in items), tokens)
    batch = [item for _, item in takewhile(lambda one: one[0] == 0, zip(numbers, items, strict=True))]
    return batch, work(batch)


def collate(items: Sequence[EncodedStates], model: RewardModel) -> tuple[Batch, torch.Tensor | None]:
    """A batch of pairs for `model`, and its states after the trunk as far as something is known or kept of them."""
    batch = model.batch_of([item.pair for item in items])
    known = {item.pair.pair_id: states for item in items if (states := item.states()) is not None}
    new = [item for item in items if item.pair.pair_id not in known]
    if new and not (model.trunk and all(item.keeps for item in new)):
        return batch, None
    if new:
        part = model.batch_of([item.pair for item in new])
        for item, states in zip(new, part.split(model.trunk_states(part)), strict=True):
            item.keep(states)
            known[item.pair.pair_id] = states
    return batch, batch.join([to_device(known[item.pair.pair_id], model.device) for item in items])
