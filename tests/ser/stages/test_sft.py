"""Supervised fine-tuning: a killed stage continues, at any moment, to the same bytes."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ser.data import tables
from ser.progress import Progress, silent
from ser.specs import Arithmetic, Encoding, Lora, Training
from ser.stages.sft import SftSpec
from tests.models import labelled_pairs, run_stage

SPEC = SftSpec(
    training=Training(lora=Lora(r=4, top=0.5), learning_rate=5e-3, batch_size=8),
    encoding=Encoding(max_length=128),
    arithmetic=Arithmetic(),
    epochs=3,
    random_seed=1,
)


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("sft") / "seed.parquet"
    rows = [{**pair.__dict__, "preferred": preferred} for pair, preferred in labelled_pairs(60)]
    tables.write(path, tables.LABELLED, rows)
    return {"backbone": tiny_backbone, "seed": path}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in (folder / "model").rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def made(inputs: dict[str, Any], out: Path, progress: Progress = silent) -> tuple[dict[str, Any], dict[str, str]]:
    out.mkdir(exist_ok=True)
    return run_stage("sft", SPEC, inputs, out, progress), digests(out)


@pytest.fixture(scope="module")
def whole(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str]]:
    return made(inputs, tmp_path_factory.mktemp("whole"))


def test_it_learns_and_writes_a_plain_model(whole: tuple[dict[str, Any], dict[str, str]]) -> None:
    summary, files = whole
    assert (summary["n_human"], summary["steps"]) == (60, 24)
    assert summary["last_loss"] < summary["first_loss"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files.keys()
    assert "adapter_config.json" not in files


def test_a_killed_stage_continues_to_the_same_bytes(
    inputs: dict[str, Any], whole: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(inputs, tmp_path, kill)
    assert made(inputs, tmp_path) == whole


def test_one_killed_after_its_last_write_does_not_train_again(
    inputs: dict[str, Any], whole: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    made(inputs, tmp_path)
    steps: list[int] = []
    assert made(inputs, tmp_path, lambda done, *_: steps.append(done)) == whole
    assert steps == []
