"""Pairs as the trunk leaves them: token ids and, from a cache on disk, hidden states after the frozen layers.

Every reward model over one backbone shares its frozen trunk, so each pair passes through it once; training and
scoring run the layers above it only. What the cache lacks goes through the trunk again, to the same states: bit for bit
where the batches are the same, else within rounding.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch

from ser.data import tables
from ser.data.batches import TOKENS, batch_numbers
from ser.data.encoded import ENCODED, count_slices, read_slices
from ser.data.encoding import EncodedPair
from ser.data.known import known_rows
from ser.models.engines import Batch
from ser.models.reward_model import RewardModel
from ser.models.token_budget import TokenBudget
from ser.progress import Progress, silent
from ser.scratch import put_in_place, write_text
from ser.slices import Slices
from ser.specs import Arithmetic

FACTS, INDEX = "cache.json", "index.parquet"
"""Say what the states in a folder are of, and where those of a pair lie: written before the first of them."""
Result = TypeVar("Result")
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
    facts = _facts(encoded, model.trunk, arithmetic) | {"slices": slices.count}
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
    for (number, items), known in zip(pairs.slices(), known_rows(encoded, indexes), strict=True):
        done += sum(item.pair.pair_id not in known for item in items)
        if number in missing:
            slices.write(number, _states_of(model, items, _copied(items, known, caches), budget))
            progress(done, new, "pairs")


def _copied(
    items: "Sequence[EncodedStates]", known: Mapping[str, Mapping[str, Any]], caches: "Sequence[StatesCache]"
) -> dict[str, bytes]:
    """The states of those pairs that earlier caches really have."""
    found: dict[str, bytes] = {}
    for item in items:
        if row := known.get(item.pair.pair_id):
            states = caches[row["source"]].read(row["slice"], row["offset"], len(item.pair))
            if states is not None:
                found[item.pair.pair_id] = _bytes(states)
    return found


def _states_of(
    model: RewardModel, items: "Sequence[EncodedStates]", found: dict[str, bytes], budget: TokenBudget
) -> bytes:
    """The states of all pairs, one after the other: those that are not found pass the trunk now."""
    new = [item for item in items if item.pair.pair_id not in found]
    for part, rows in in_batches(new, budget, lambda part: _pass_trunk(model, part)):
        found |= {item.pair.pair_id: _bytes(row) for row, item in zip(rows, part, strict=True)}
    return b"".join(found[item.pair.pair_id] for item in items)


def _pass_trunk(model: RewardModel, items: "Sequence[EncodedStates]") -> Sequence[torch.Tensor]:
    """The states of each pair, on the host: a GPU is waited for a single time."""
    batch = model.batch_of([item.pair for item in items])
    return batch.split(model.trunk_states(batch).cpu())


def _write_index(encoded: Path, folder: Path) -> None:
    """Write where the states of each pair lie, for caches of other tables to be filled from."""
    temporary = folder / f".{INDEX}.{os.getpid()}.tmp"  # of this process: others may share out the slices
    tables.write(temporary, _INDEX, tables.read(encoded, columns=_INDEX.names))
    put_in_place(temporary, folder / INDEX)


class StatesCache:
    """States on disk, of which any slice may be missing, damaged or removed at any time: then it has none."""

    def __init__(self, folder: Path, facts: dict[str, Any]):
        self.index = folder / INDEX
        self._slices = Slices(folder, facts["slices"])
        self._storage, self._hidden_size = np.dtype(facts["storage"]), facts["hidden_size"]
        self._whole: dict[int, bool] = {}

    @classmethod
    def like(cls, folder: Path, facts: Mapping[str, Any]) -> "StatesCache | None":
        """The cache in `folder`, if it holds states as `facts` say, of whatever tokens.

        None while it has none, or if what it says of itself cannot be read: a cache may be anything.
        """
        try:
            own = json.loads((folder / FACTS).read_text())
            tables.count(folder / INDEX)
        except (OSError, ValueError, pa.ArrowException):
            return None
        alike = all(own.get(name) == facts[name] for name in ("trunk", "arithmetic", "hidden_size", "storage"))
        return cls(folder, own) if alike and own["slices"] else None

    @classmethod
    def open(cls, folder: Path | None, encoded: Path, trunk: int, arithmetic: Arithmetic) -> "StatesCache | None":
        """The cache in `folder`, if it holds the states of these tokens after so many layers in this arithmetic.

        Over which backbone is for whoever names the folder to know.
        """
        if folder is None or not (folder / FACTS).exists():
            return None
        facts = json.loads((folder / FACTS).read_text())
        if {name: facts.get(name) for name in _KNOWN} != _facts(encoded, trunk, arithmetic) or not facts["slices"]:
            return None
        return cls(folder, facts)

    def read(self, number: int, first: int, tokens: int) -> torch.Tensor | None:
        """The states [tokens, H] from token `first` of a slice on.

        A slice is checked when it is first read, and removed if it is damaged: the next run makes it again.
        """
        path = self._slices.path(number)
        if number not in self._whole:
            self._whole[number] = self._slices.is_whole(number)
            if not self._whole[number]:
                path.unlink(missing_ok=True)
        if not self._whole[number]:
            return None
        offset = first * self._hidden_size * self._storage.itemsize
        try:  # read and not mapped: the pages of a map would count as memory of the process
            flat = np.fromfile(path, self._storage, tokens * self._hidden_size, offset=offset)
        except FileNotFoundError:
            self._whole[number] = False
            return None
        rows = torch.from_numpy(flat).view(tokens, self._hidden_size)
        return rows.view(torch.bfloat16) if rows.dtype == torch.int16 else rows


class PairStates:
    """The pairs of an `encoded.parquet`, with their states where a cache has them; a slice is in memory at a time."""

    def __init__(self, encoded: Path, cache: StatesCache | None = None):
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

    def __init__(self, row: dict[str, Any], cache: StatesCache | None):
        self.pair = EncodedPair(row["pair_id"], row["prompt"], row["response_a"], row["response_b"], row["cut"])
        self._cache, self._slice, self._offset = cache, row["slice"], row["offset"]

    def states(self) -> torch.Tensor | None:
        """Hidden states [tokens, H] after the trunk, or None where they are not known."""
        return None if self._cache is None else self._cache.read(self._slice, self._offset, len(self.pair))


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
    """A batch of pairs for `model` and its states after the trunk (None where those of a pair are not known)."""
    batch = model.batch_of([item.pair for item in items])
    known: list[torch.Tensor] = []
    for item in items:
        states = item.states()
        if states is None:
            return batch, None
        known.append(states)
    return batch, batch.join(known).to(model.device)


_KNOWN = ("encoded", "trunk", "arithmetic")


def _facts(encoded: Path, trunk: int, arithmetic: Arithmetic) -> dict[str, Any]:
    with encoded.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"encoded": digest, "trunk": trunk, "arithmetic": arithmetic.model_dump()}


def _storage(model: RewardModel) -> str:
    """numpy has no bfloat16, so its bytes are stored as 16-bit integers."""
    return "int16" if model.classifier.dtype == torch.bfloat16 else "float32"


def _bytes(states: torch.Tensor) -> bytes:
    states = states.contiguous()
    return (states.view(torch.int16) if states.dtype == torch.bfloat16 else states).numpy().tobytes()
