"""Supervised fine-tuning: a killed stage continues, at any moment, to the same bytes."""

import gc
import hashlib
import weakref
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from ser import fine_tuning
from ser.data import tables
from ser.errors import SerError
from ser.fine_tuning import rows_at_once
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


def test_a_process_that_sees_several_gpus_trains_on_one_device(
    inputs: dict[str, Any],
    whole: tuple[dict[str, Any], dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = TrainingArguments.__post_init__

    def see_two(args: TrainingArguments) -> None:
        original(args)
        args._n_gpu = 2

    monkeypatch.setattr(TrainingArguments, "__post_init__", see_two)
    assert made(inputs, tmp_path) == whole


def test_nothing_of_the_model_stays_in_memory(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the next stage needs its place, and nobody else collects garbage in time."""
    weights: list[weakref.ref[Any]] = []
    real = fine_tuning.read_model

    def read(*args: Any) -> Any:
        model = real(*args)
        weights.append(weakref.ref(model.model.layers[0].mlp.up_proj.weight))
        return model

    monkeypatch.setattr(fine_tuning, "read_model", read)
    gc.disable()
    try:
        made(inputs, tmp_path)
    finally:
        gc.enable()
    assert [one() for one in weights] == [None]


def test_a_small_batch_in_memory_makes_the_same_steps(
    inputs: dict[str, Any], whole: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    small = run_stage("sft", SPEC, inputs, tmp_path, batch_tokens=64)
    assert small == {name: pytest.approx(value, rel=1e-4) for name, value in whole[0].items()}


def test_the_rows_in_memory_share_out_a_step() -> None:
    assert [rows_at_once(16, 100, tokens) for tokens in (50, 100, 399, 500, 10**6)] == [1, 1, 2, 4, 16]
    assert [rows_at_once(7, 10, tokens) for tokens in (60, 70)] == [1, 7]


def test_a_seed_that_does_not_fit_is_an_error_in_words(inputs: dict[str, Any], tmp_path: Path) -> None:
    rows = [row | {"response_a": "yes " * 99, "response_b": "no " * 99} for row in tables.read(inputs["seed"])]
    tables.write(tmp_path / "seed.parquet", tables.LABELLED, rows)
    with pytest.raises(SerError, match="none of 60 preferred seed responses fits into"):
        run_stage("sft", SPEC, inputs | {"seed": tmp_path / "seed.parquet"}, tmp_path)


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
