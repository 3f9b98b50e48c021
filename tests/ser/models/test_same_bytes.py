"""In bfloat16 on several threads, the default of a processor that multiplies it, the same work gives the same bytes."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ser.data import tables
from ser.specs import Arithmetic, Lora, Training
from ser.stages.label import LabelSpec
from ser.stages.train_reward_model import TrainRewardModelSpec
from tests.models import labelled_pairs, pass_trunk, run_stage

ARITHMETIC = Arithmetic(dtype="bfloat16")
TRAINING = Training(lora=Lora(r=4, alpha=8, top=0.5), learning_rate=5e-3, batch_size=8)
MADE = ("states/00000", "model/rm/adapter_model.safetensors", "model/training.json", "labels/self_labels.parquet")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Two, as the launcher would set them for the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_training_and_labelling_twice_in_bfloat16_on_two_threads(tiny_backbone: Path, tmp_path: Path) -> None:
    first, second = (digests(tiny_backbone, tmp_path / name) for name in ("first", "second"))
    assert first == second


def digests(backbone: Path, root: Path) -> dict[str, str]:
    """States, training and labels made in `root`."""
    pairs, states, model, labels = (root / name for name in ("pairs.parquet", "states", "model", "labels"))
    for folder in (states, model, labels):
        folder.mkdir(parents=True)
    rows = [vars(pair) | {"preferred": preferred} for pair, preferred in labelled_pairs(24)]
    tables.write(pairs, tables.LABELLED, sorted(rows, key=lambda row: row["pair_id"]))
    encoded = pass_trunk(pairs, backbone, states, ARITHMETIC, TRAINING.lora.top)
    run_stage(
        "train_reward_model", TrainRewardModelSpec(training=TRAINING, arithmetic=ARITHMETIC, epochs=1, random_seed=0),
        {"backbone": backbone, "human": [pairs], "encoded": [encoded], "states": [states]}, model, threads=2,
    )  # fmt: skip
    (root / "temperature.json").write_text(json.dumps({"temperature": 1.0}))
    inputs: dict[str, Any] = {"backbone": backbone, "reward_model": model / "rm", "heldout": root / "temperature.json"}
    run_stage(
        "label",
        LabelSpec(arithmetic=ARITHMETIC),
        inputs | {"encoded": encoded, "states": states, "kept": []},
        labels,
        threads=2,
    )
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in MADE}
