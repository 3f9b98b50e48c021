"""Pairs as the trunk leaves them: token ids and hidden states after the frozen layers, kept on disk.

Every reward model over one backbone shares its frozen trunk, so each pair passes through it once; training and
scoring run the layers above it only. With an adapter on all layers there are no states, and the tokens serve.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ser import tables
from ser.batches import plan
from ser.encoding import EncodedPair
from ser.kept import write_text
from ser.packing import PackedBatch, pack
from ser.progress import Progress
from ser.reward_model import RewardModel

ENCODED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("batch", pa.int32()),
        ("offset", pa.int64()),
        ("prompt", pa.list_(pa.int32())),
        ("response_a", pa.list_(pa.int32())),
        ("response_b", pa.list_(pa.int32())),
        ("cut", pa.int32()),
    ]
)
_SYNC_EVERY = 16
"""Batches, at most, between the moments at which states are made durable; a killed run repeats what came after."""
_SYNCS = 20
"""Such moments in a part, at least."""


def write_encoded(pairs: Sequence[EncodedPair], out: Path) -> None:
    """Write `encoded.parquet`, the tokens of the pairs in the order of their plan, into `out`."""
    tables.write(out / "encoded.parquet", ENCODED, _rows(pairs, _plan(pairs)))


def write_states(model: RewardModel, pairs: Sequence[EncodedPair], out: Path, progress: Progress) -> None:
    """Write the states of the pairs, in the order of `encoded.parquet`, as `states.bin` ([tokens, H]) into `out`.

    Nothing is written if the trunk is empty. Continues a `states.bin` that a killed run left in `out`; the bytes
    are the same as without the kill.
    """
    if model.trunk == 0:
        return
    batches = _plan(pairs)
    marker = out / "states.progress"
    done = json.loads(marker.read_text())["batches"] if marker.exists() else 0
    width = model.classifier.config.hidden_size
    item = np.dtype(_storage(model)).itemsize * width
    finished = sum(len(pairs[i]) for batch in batches[:done] for i in batch)
    count = sum(len(batch) for batch in batches[:done])
    every = max(1, min(_SYNC_EVERY, len(batches) // _SYNCS))
    with (out / "states.bin").open("r+b" if done else "wb") as file:
        file.truncate(finished * item)
        file.seek(0, os.SEEK_END)
        for number, batch in enumerate(batches[done:], start=done + 1):
            chosen = [pairs[i] for i in batch]
            states = model.trunk_states(pack(chosen).to(model.device))
            for row, pair in zip(states, chosen, strict=True):
                file.write(_bytes(row[: len(pair)]))
            count += len(batch)
            if number % every == 0:
                file.flush()
                os.fsync(file.fileno())
                write_text(marker, json.dumps({"batches": number}))
            progress(count, len(pairs), "pairs")
    (out / "shape.json").write_text(json.dumps({"hidden_size": width, "storage": _storage(model)}) + "\n")
    marker.unlink(missing_ok=True)


class PairStates:
    """The pairs of one part with their states, read from the folder of `write_encoded` and `write_states`."""

    def __init__(self, folder: Path):
        self._table = pq.ParquetFile(folder / "encoded.parquet")
        self._states: np.ndarray | None = None
        if (folder / "states.bin").exists() and self._table.metadata.num_rows:
            shape = json.loads((folder / "shape.json").read_text())
            flat = np.memmap(folder / "states.bin", dtype=shape["storage"], mode="r")
            self._states = flat.reshape(-1, shape["hidden_size"])

    def __len__(self) -> int:
        return self._table.metadata.num_rows

    def batches(self) -> Iterator[list["EncodedStates"]]:
        """The part in the order and the batches of its plan, with little of it in memory at a time."""
        current: list[EncodedStates] = []
        number = 0
        for group in self._table.iter_batches(batch_size=tables.ROWS):
            for row in group.to_pylist():
                if row["batch"] != number and current:
                    yield current
                    current = []
                number = row["batch"]
                current.append(self._one(row))
        if current:
            yield current

    def pairs(self) -> Iterator["EncodedStates"]:
        """Every pair of the part."""
        for batch in self.batches():
            yield from batch

    def _one(self, row: dict) -> "EncodedStates":
        pair = EncodedPair(row["pair_id"], row["prompt"], row["response_a"], row["response_b"], row["cut"])
        return EncodedStates(pair, self._states, row["offset"])


class EncodedStates:
    """One encoded pair and where its states lie."""

    __slots__ = ("_states", "offset", "pair")

    def __init__(self, pair: EncodedPair, states: np.ndarray | None, offset: int):
        self.pair, self._states, self.offset = pair, states, offset

    def states(self) -> torch.Tensor | None:
        """Hidden states [tokens, H] after the trunk, or None when the trunk is empty."""
        if self._states is None:
            return None
        rows = torch.from_numpy(np.array(self._states[self.offset : self.offset + len(self.pair)]))
        return rows.view(torch.bfloat16) if rows.dtype == torch.int16 else rows


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


def _plan(pairs: Sequence[EncodedPair]) -> list[list[int]]:
    return plan([(len(pair), pair.pair_id) for pair in pairs])


def _rows(pairs: Sequence[EncodedPair], batches: list[list[int]]) -> Iterator[dict]:
    offset = 0
    for number, batch in enumerate(batches):
        for index in batch:
            pair = pairs[index]
            yield {
                "pair_id": pair.pair_id,
                "batch": number,
                "offset": offset,
                "prompt": pair.prompt,
                "response_a": pair.response_a,
                "response_b": pair.response_b,
                "cut": pair.cut,
            }
            offset += len(pair)


def _storage(model: RewardModel) -> str:
    """numpy has no bfloat16, so its bytes are stored as 16-bit integers."""
    return "int16" if model.classifier.model.embed_tokens.weight.dtype == torch.bfloat16 else "float32"


def _bytes(states: torch.Tensor) -> bytes:
    states = states.contiguous().cpu()
    return (states.view(torch.int16) if states.dtype == torch.bfloat16 else states).numpy().tobytes()
