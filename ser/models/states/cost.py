"""What the states after the trunk take: bytes, and seconds to compute and to write them, measured on a few."""

import os
import tempfile
import time
from pathlib import Path

import torch

from ser.data import tables
from ser.data.transfer import to_host
from ser.models.backbone import DTYPES
from ser.models.model_config import read_config
from ser.models.resident import is_resident
from ser.models.reward_model import RewardModel, trunk_layers
from ser.models.states.kept import promised_bytes, room_on_gpu
from ser.models.states.pairs import PairStates
from ser.models.states.place import Room, free_disk_bytes, free_host_bytes
from ser.models.weight_files import weight_files
from ser.specs import Arithmetic, Lora

_PROBE_BYTES = 2**26


def states_bytes(backbone: Path, encoded: Path, lora: Lora, arithmetic: Arithmetic) -> int:
    """Of the states of a table of tokens; 0 if there is no trunk."""
    if trunk_layers(backbone, lora) == 0:
        return 0
    return count_tokens(encoded) * read_config(backbone)["hidden_size"] * DTYPES[arithmetic.dtype].itemsize


def count_tokens(encoded: Path) -> int:
    """The tokens of all pairs of a table."""
    query = "SELECT sum(len(prompt) + len(response_a) + len(response_b)) FROM encoded"
    ((tokens,),) = tables.ask(query, encoded=encoded)
    return int(tokens or 0)


def room_beside(backbone: Path, folder: Path, arithmetic: Arithmetic) -> Room:
    """What is free beside a model, and where `folder` lies."""
    gpu = 0
    if arithmetic.device == "cuda":
        weights = sum(path.stat().st_size for path in weight_files(backbone))
        if is_resident(backbone, arithmetic):
            weights = 0
        if arithmetic.weights == "nf4":
            weights //= 3  # a quarter, and the embedding as it was
        gpu = max(0, room_on_gpu(torch.device(arithmetic.device)) - weights)
    return Room(gpu, free_host_bytes() - promised_bytes("host"), free_disk_bytes(folder))


def measure_seconds(model: RewardModel, encoded: Path, folder: Path, needed: int) -> tuple[float, float]:
    """To compute all states of a table once, by those of its first slice, and to write them, by a file of 64 MB."""
    _, items = next(PairStates(encoded).slices())
    batch, took = model.batch_of([item.pair for item in items]), 0.0
    for _ in range(2):  # the first time the kernels are chosen
        began = time.perf_counter()
        some = to_host(model.trunk_states(batch))
        took = time.perf_counter() - began
    return took * needed / some.nbytes, _seconds_to_write(folder) * needed / _PROBE_BYTES


def _seconds_to_write(folder: Path) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    data = os.urandom(_PROBE_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return time.perf_counter() - began
