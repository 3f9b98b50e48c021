"""Writing a cache of states: every pair passes once through the trunk, unless an earlier cache has its states."""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from ser.data import tables
from ser.data.batches import TOKENS
from ser.data.encoded import ENCODED, count_slices
from ser.data.known import known_rows
from ser.data.transfer import to_host
from ser.models.reward_model import RewardModel
from ser.models.states.disk import FACTS, INDEX, StatesCache, facts_of
from ser.models.states.pairs import EncodedStates, PairStates, in_batches
from ser.models.token_budget import TokenBudget
from ser.progress import Progress, silent
from ser.scratch import put_in_place, write_text
from ser.slices import Slices
from ser.specs import Arithmetic

_INDEX = pa.schema([ENCODED.field(name) for name in ("pair_id", "digest", "slice", "offset")])


def write_states(
    model: RewardModel,
    encoded: Path,
    folder: Path,
    arithmetic: Arithmetic,
    progress: Progress = silent,
    *,
    earlier: Sequence[Path] = (),
    batch_tokens: int | None = TOKENS,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Write the states ([tokens, H] a slice) of the pairs in `encoded`, as far as they are missing in `folder`.

    Nothing but the facts is written if the trunk is empty. Several processes may share out the slices.

    Args:
        earlier: folders with states after the same layers of the same backbone, of other tables: a pair that one of
            them has is copied. Its last bits are those of the batch that it was in there.
    """
    slices = Slices(folder, count_slices(encoded) if model.trunk else 0)
    folder.mkdir(parents=True, exist_ok=True)
    facts = facts_of(encoded, model.trunk, arithmetic) | {"slices": slices.count}
    shape = {"hidden_size": model.classifier.config.hidden_size, "storage": _storage(model)}
    _write_index(encoded, folder)
    write_text(folder / FACTS, json.dumps(facts | shape, sort_keys=True) + "\n")
    missing = set(slices.missing(rank, world))
    if not missing:
        return
    caches = [cache for path in earlier if (cache := StatesCache.like(path, facts | shape)) is not None]
    indexes = [cache.index for cache in caches]
    pairs, done, budget = PairStates(encoded), 0, TokenBudget.for_scoring(model, batch_tokens)
    new = len(pairs) - sum(map(len, known_rows(encoded, indexes)))
    with _Writer(slices, at_once=model.device.type == "cpu") as writer:
        for (number, items), known in zip(pairs.slices(), known_rows(encoded, indexes), strict=True):
            done += sum(item.pair.pair_id not in known for item in items)
            if number in missing:
                writer.write(number, _states_of(model, items, _copied(items, known, caches), budget))
                progress(done, new, "pairs")


class _Writer:
    """Writes slices; unless `at_once`, the latest is written while the next is computed."""

    def __init__(self, slices: Slices, *, at_once: bool):
        self._slices, self._thread = slices, None if at_once else ThreadPoolExecutor(1)
        self._latest: Future[None] | None = None

    def __enter__(self) -> "_Writer":
        return self

    def write(self, number: int, parts: Sequence[memoryview]) -> None:
        """Write a slice, after the one before it is whole."""
        if self._thread is None:
            self._slices.write(number, *parts)
            return
        self._wait()
        self._latest = self._thread.submit(self._slices.write, number, *parts)

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            try:
                self._wait()
            finally:
                self._thread.shutdown()

    def _wait(self) -> None:
        if self._latest is not None:
            self._latest.result()


def _copied(
    items: Sequence[EncodedStates], known: Mapping[str, Mapping[str, Any]], caches: Sequence[StatesCache]
) -> dict[str, memoryview]:
    """The states of those pairs that earlier caches really have."""
    found: dict[str, memoryview] = {}
    for item in items:
        if row := known.get(item.pair.pair_id):
            states = caches[row["source"]].read(row["slice"], row["offset"], len(item.pair))
            if states is not None:
                found[item.pair.pair_id] = _bytes(states)
    return found


def _states_of(
    model: RewardModel, items: Sequence[EncodedStates], found: dict[str, memoryview], budget: TokenBudget
) -> list[memoryview]:
    """The states of all pairs, one after the other: those that are not found pass the trunk now."""
    new = [item for item in items if item.pair.pair_id not in found]
    for part, rows in in_batches(new, budget, lambda part: _pass_trunk(model, part)):
        found |= {item.pair.pair_id: _bytes(row) for row, item in zip(rows, part, strict=True)}
    return [found[item.pair.pair_id] for item in items]


def _pass_trunk(model: RewardModel, items: Sequence[EncodedStates]) -> Sequence[torch.Tensor]:
    """The states of each pair, on the host: a GPU is waited for a single time."""
    batch = model.batch_of([item.pair for item in items])
    return batch.split(to_host(model.trunk_states(batch)))


def _write_index(encoded: Path, folder: Path) -> None:
    """Write where the states of each pair lie, for caches of other tables to be filled from."""
    temporary = folder / f".{INDEX}.{os.getpid()}.tmp"  # of this process: others may share out the slices
    tables.write(temporary, _INDEX, tables.read(encoded, columns=_INDEX.names))
    put_in_place(temporary, folder / INDEX)


def _storage(model: RewardModel) -> str:
    """numpy has no bfloat16, so its bytes are stored as 16-bit integers."""
    return "int16" if model.classifier.dtype == torch.bfloat16 else "float32"


def _bytes(states: torch.Tensor) -> memoryview:
    states = states.contiguous()
    numbers = (states.view(torch.int16) if states.dtype == torch.bfloat16 else states).numpy()
    return numbers.data.cast("B")
