"""Pairs as the trunk leaves them: token ids and hidden states after the frozen layers, kept on disk.

Every reward model over one backbone shares its frozen trunk, so each pair passes through it once; training and
scoring run the layers above it only. With an adapter on all layers there are no states, and the tokens serve.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ser.appending import GrowingFile
from ser.data.encoded import count_encoded, read_encoded
from ser.data.encoding import EncodedPair
from ser.data.packing import PackedBatch, pack
from ser.kept import write_text
from ser.models.reward_model import RewardModel
from ser.progress import Progress


def write_states(model: RewardModel, out: Path, progress: Progress) -> None:
    """Write the states of the pairs in `encoded.parquet` of `out`, in its order, as `states.bin` ([tokens, H]).

    Nothing is written if the trunk is empty. Continues a `states.bin` that a killed run left in `out`; the bytes
    are the same as without the kill.
    """
    shape = out / "shape.json"
    if model.trunk == 0 or shape.exists():
        return
    part = PairStates(out)
    done, total = 0, len(part)
    with GrowingFile(out / "states.bin") as file:
        for number, batch in enumerate(part.batches()):
            done += len(batch)
            if number >= file.batches:
                pairs = [item.pair for item in batch]
                states = model.trunk_states(pack(pairs).to(model.device))
                data = b"".join(_bytes(row[: len(pair)]) for row, pair in zip(states, pairs, strict=True))
                file.add(data, len(batch) / total)
                progress(done, total, "pairs")
    described = {"hidden_size": model.classifier.config.hidden_size, "storage": _storage(model)}
    write_text(shape, json.dumps(described) + "\n")


class PairStates:
    """The pairs of one part with their states, read from the folder of `write_encoded` and `write_states`.

    Pairs whose identity is in `without`, all of them pairs of the part, are left out. Little of the part is in
    memory at a time.
    """

    def __init__(self, folder: Path, without: Collection[str] = ()):
        self._folder, self._without = folder, without
        self._states: StatesFile | None = None
        if (folder / "shape.json").exists() and count_encoded(folder):
            shape = json.loads((folder / "shape.json").read_text())
            self._states = StatesFile(folder / "states.bin", np.dtype(shape["storage"]), shape["hidden_size"])

    def __len__(self) -> int:
        return count_encoded(self._folder) - len(self._without)

    def batches(self) -> Iterator[list["EncodedStates"]]:
        """The part in the order and the batches of its plan."""
        wanted = (row for row in read_encoded(self._folder) if row["pair_id"] not in self._without)
        for _, rows in groupby(wanted, key=lambda row: row["batch"]):
            yield [self._one(row) for row in rows]

    def pairs(self) -> Iterator["EncodedStates"]:
        """Every pair of the part."""
        for batch in self.batches():
            yield from batch

    def _one(self, row: dict[str, Any]) -> "EncodedStates":
        pair = EncodedPair(row["pair_id"], row["prompt"], row["response_a"], row["response_b"], row["cut"])
        return EncodedStates(pair, self._states, row["offset"])


class StatesFile(NamedTuple):
    """A `states.bin`. Read and not mapped: the pages of a map would count as memory of the process."""

    path: Path
    storage: np.dtype[Any]
    hidden_size: int

    def read(self, first: int, tokens: int) -> torch.Tensor:
        """The states [tokens, H] from token `first` on."""
        offset = first * self.hidden_size * self.storage.itemsize
        flat = np.fromfile(self.path, self.storage, tokens * self.hidden_size, offset=offset)
        rows = torch.from_numpy(flat).view(tokens, self.hidden_size)
        return rows.view(torch.bfloat16) if rows.dtype == torch.int16 else rows


class EncodedStates:
    """One encoded pair and where its states lie."""

    __slots__ = ("_states", "offset", "pair")

    def __init__(self, pair: EncodedPair, states: StatesFile | None, offset: int):
        self.pair, self._states, self.offset = pair, states, offset

    def states(self) -> torch.Tensor | None:
        """Hidden states [tokens, H] after the trunk, or None when the trunk is empty."""
        return None if self._states is None else self._states.read(self.offset, len(self.pair))


def collate(
    items: Sequence[EncodedStates], device: torch.device | str = "cpu"
) -> tuple[PackedBatch, torch.Tensor | None]:
    """A packed batch of pairs and its states [B, L, H] after the trunk (None when the trunk is empty)."""
    batch = pack([item.pair for item in items]).to(device)
    states = [item.states() for item in items]
    known = [state for state in states if state is not None]
    if not known:
        return batch, None
    return batch, torch.nn.utils.rnn.pad_sequence(known, batch_first=True).to(device)


def _storage(model: RewardModel) -> str:
    """numpy has no bfloat16, so its bytes are stored as 16-bit integers."""
    return "int16" if model.classifier.model.embed_tokens.weight.dtype == torch.bfloat16 else "float32"


def _bytes(states: torch.Tensor) -> bytes:
    states = states.contiguous().cpu()
    return (states.view(torch.int16) if states.dtype == torch.bfloat16 else states).numpy().tobytes()
