"""Training learns, changes what it may change, and continues after a kill with the same bytes."""

import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState, TrainingArguments

from ser.checkpoints import SaveInTime, save_every
from ser.data import tables
from ser.data.pairs import hard_target
from ser.models.reward_model import RewardModel
from ser.models.states.disk import StatesCache
from ser.models.states.pairs import PairStates
from ser.models.token_budget import TokenBudget
from ser.progress import Progress, silent
from ser.scratch import scratch_path
from ser.specs import Arithmetic, Lora, Training
from ser.stages.heldout import HeldoutSpec
from ser.stages.train_reward_model import TrainRewardModelSpec
from ser.training import Example, PairTrainer, is_trained, microbatches, train
from tests.models import labelled_pairs, pass_trunk, run_stage

LORA = Lora(r=4, alpha=8, top=0.5)
TRAINING = Training(lora=LORA, learning_rate=5e-3, batch_size=8)
SPEC = TrainRewardModelSpec(training=TRAINING, arithmetic=Arithmetic(), epochs=3, random_seed=3)


def write_part(path: Path, n: int, seed: int) -> Path:
    rows = [
        {
            "pair_id": pair.pair_id,
            "prompt": pair.prompt,
            "response_a": pair.response_a,
            "response_b": pair.response_b,
            "preferred": preferred,
            "unit": pair.prompt,
        }
        for pair, preferred in labelled_pairs(n, seed)
    ]
    tables.write(path, tables.LABELLED, sorted(rows, key=lambda row: row["pair_id"]))
    return path


@pytest.fixture(scope="module")
def parts(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A seed part and a test part with their states."""
    folder = tmp_path_factory.mktemp("parts")
    result: dict[str, Any] = {"backbone": tiny_backbone}
    for name, n, seed in (("seed", 60, 0), ("test", 80, 1)):
        result[name] = write_part(folder / f"{name}.parquet", n, seed)
        out = folder / f"{name}_states"
        out.mkdir()
        result[f"{name}_encoded"] = pass_trunk(result[name], tiny_backbone, out, Arithmetic(), LORA.top)
        result[f"{name}_states"] = out
    return result


def cache_of(parts: dict[str, Any]) -> StatesCache | None:
    return StatesCache.open(parts["seed_states"], parts["seed_encoded"], 2, Arithmetic())


def train_once(parts: dict[str, Any], out: Path, progress: Progress = silent) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    inputs = {
        "backbone": parts["backbone"],
        "human": [parts["seed"]],
        "encoded": [parts["seed_encoded"]],
        "states": [parts["seed_states"]],
    }
    return run_stage("train_reward_model", SPEC, inputs, out, progress)


def digests(folder: Path) -> dict[str, str]:
    """What the store keeps: not what the stage keeps for the case of a kill."""
    kept = (path for path in sorted(folder.rglob("*")) if not path.relative_to(folder).parts[0].endswith(".tmp"))
    files = (path for path in kept if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def trained(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    summary = train_once(parts, out)
    assert (summary["n_human"], summary["n_pseudo"], summary["steps"]) == (60, 0, 24)
    assert summary["last_loss"] < summary["first_loss"] / 2
    return out


def test_it_learns_what_people_prefer(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge.parquet"
    flipped = [row | {"preferred": "b" if row["preferred"] == "a" else "a"} for row in tables.read(parts["test"])]
    tables.write(judge, tables.LABELS, ({name: row[name] for name in tables.LABELS.names} for row in flipped[:20]))
    inputs = {"backbone": parts["backbone"], "reward_model": trained / "rm", "judge": judge}
    for split in ("calibration", "test"):
        inputs |= {
            split: parts["test"],
            f"{split}_encoded": parts["test_encoded"],
            f"{split}_states": parts["test_states"],
        }
    summary = run_stage("heldout", HeldoutSpec(arithmetic=Arithmetic()), inputs, tmp_path)
    accuracy = summary["metrics"]["test"]["accuracy"]
    assert accuracy["value"] > 0.9
    assert 0.9 < accuracy["ci_low"] <= accuracy["value"] <= accuracy["ci_high"]
    judged = summary["metrics"]["test"]["judge_label_accuracy"]
    assert (judged["n"], judged["value"] < 0.2) == (20, True)
    rows = list(tables.read(tmp_path / "heldout.parquet"))
    right = [(row["reward_a"] > row["reward_b"]) == (row["preferred"] == "a") for row in rows if row["split"] == "test"]
    assert sum(right) / len(right) == accuracy["value"]
    assert all(0.5 <= row["confidence"] <= 1 for row in rows)


def test_adapter_and_head_change_and_the_backbone_does_not(parts: dict[str, Any], trained: Path) -> None:
    fresh = RewardModel.new(parts["backbone"], LORA, Arithmetic(), random_seed=3)
    after = RewardModel.load(parts["backbone"], trained / "rm", Arithmetic(), trainable=True)
    before = {name: value for name, value in fresh.named_parameters() if "original_module" not in name}
    changed = {
        name for name, value in after.named_parameters() if name in before and not torch.equal(value, before[name])
    }
    assert changed == {name for name, value in fresh.named_parameters() if value.requires_grad}
    assert any("score" in name for name in changed)
    assert all("layers.2." in name or "layers.3." in name or "score" in name for name in changed)


def test_the_same_seed_gives_the_same_bytes(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    train_once(parts, tmp_path)
    assert digests(tmp_path) == digests(trained)
    assert sorted(digests(trained)) == ["rm/adapter_config.json", "rm/adapter_model.safetensors", "training.json"]


def test_a_killed_training_continues_to_the_same_bytes(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done >= total * 22 // 24:
            raise KilledError

    with pytest.raises(KilledError):
        train_once(parts, tmp_path, kill)
    assert [path.name for path in scratch_path(tmp_path, "checkpoints").glob("checkpoint-*")] == ["checkpoint-21"]
    steps: list[int] = []
    train_once(parts, tmp_path, lambda done, *_: steps.append(done))
    assert len(steps) == 3
    assert digests(tmp_path) == digests(trained)


def test_a_half_written_checkpoint_is_passed_over(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    (scratch_path(tmp_path, "checkpoints") / "checkpoint-20").mkdir(parents=True)
    train_once(parts, tmp_path)
    assert digests(tmp_path) == digests(trained)


def step(
    model: RewardModel, examples: list[Example], out: Path, tokens: int = 768
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The loss and the gradients of one step over a batch."""
    args = TrainingArguments(output_dir=str(out), use_cpu=True, report_to="none")
    model.zero_grad()
    trainer = PairTrainer(model, examples, centering=0.01, budget=TokenBudget(tokens), args=args)
    loss = trainer.training_step(model, {"examples": examples})
    return loss, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def batch_of(parts: dict[str, Any]) -> list[Example]:
    """Pairs of several lengths with hard and soft targets and unequal weights."""
    labels = [(1.0, 1.0), (0.0, 0.5), (1.0, 0.25), (0.3, 1.0), (0.8, 2.0), (0.5, 0.0), (0.0, 1.0)]
    items = sorted(PairStates(parts["seed_encoded"], cache_of(parts)).pairs(), key=lambda item: item.pair.pair_id)
    return [Example(item, target, weight) for item, (target, weight) in zip(items[:7], labels, strict=True)]


def test_a_step_in_parts_has_the_gradients_of_the_whole_batch(parts: dict[str, Any], tmp_path: Path) -> None:
    examples = batch_of(parts)
    model = RewardModel.new(parts["backbone"], LORA, Arithmetic(), random_seed=0)
    # One part, and a part for each pair.
    (whole, expected), (in_parts, gradients) = (step(model, examples, tmp_path, tokens) for tokens in (10**6, 1))
    assert torch.allclose(whole, in_parts, atol=1e-6) and whole > 0
    assert len(gradients) > 4 and any(gradient.abs().max() > 1e-3 for gradient in gradients)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(expected, gradients, strict=True))


def test_a_pair_counts_alike_in_every_batch(parts: dict[str, Any], tmp_path: Path) -> None:
    """So a share of the weights is that share of an epoch's loss, however the heavy pairs fall together."""
    heavy, light = [replace(one, weight=weight) for one, weight in zip(batch_of(parts)[:2], (4.0, 1.0), strict=True)]
    model = RewardModel.new(parts["backbone"], LORA, Arithmetic(), random_seed=0)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    trainer = PairTrainer(model, [heavy, light, light], centering=0.01, budget=TokenBudget(), args=args)

    def loss(*batch: Example) -> float:
        return trainer.training_step(model, {"examples": list(batch)}).item()

    # The mean weight is 2: alone, the heavy pair has twice its plain loss, and the light one half of it.
    assert loss(heavy) == pytest.approx(2 * loss(replace(heavy, weight=2.0)))
    assert loss(heavy) + 2 * loss(light) == pytest.approx(2 * loss(heavy, light) + loss(light))


def test_every_process_takes_its_share_and_all_take_equally_many_parts(parts: dict[str, Any]) -> None:
    examples = batch_of(parts)
    alone = microbatches(examples, 1, 0)
    assert sorted(one.encoded.pair.pair_id for part in alone for one in part) == sorted(
        one.encoded.pair.pair_id for one in examples
    )
    for processes in (2, 5, 9):
        shares = [microbatches(examples, processes, k) for k in range(processes)]
        assert len({len(share) for share in shares}) == 1
        # What fills up weighs nothing, so that the weights of the processes add up to those of the batch.
        weights = sum(one.weight for share in shares for part in share for one in part)
        assert weights == sum(one.weight for one in examples)


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(parts: dict[str, Any], tmp_path: Path) -> None:
    settings = Training(lora=LORA, learning_rate=1e-3, batch_size=7)
    items = list(PairStates(parts["seed_encoded"], cache_of(parts)).pairs())[:17]
    examples = [Example(item, 0.9 if k % 3 else 0.0, 1.0 + k % 2) for k, item in enumerate(items)]
    job = {"backbone": parts["backbone"], "lora": LORA, "settings": settings, "examples": examples}
    job |= {"batch": batch_of(parts), "out": tmp_path / "two"}
    (tmp_path / "job").write_bytes(pickle.dumps(job))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "tests.two_processes", str(tmp_path / "job")]
    ranks = [
        subprocess.Popen(command, env=os.environ | address | {"RANK": str(k), "LOCAL_RANK": str(k)}) for k in range(2)
    ]
    model = RewardModel.new(parts["backbone"], LORA, Arithmetic(), random_seed=0)
    loss, gradients = step(model, batch_of(parts), tmp_path)
    result = train(model, examples, settings, epochs=2, random_seed=1, out=tmp_path / "one", progress=silent)
    assert [rank.wait(120) for rank in ranks] == [0, 0]
    two = torch.load(tmp_path / "two" / "step.pt", weights_only=True)
    assert two["wrapped"] == "DistributedDataParallel"
    assert torch.allclose(two["loss"], loss, atol=1e-6)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(gradients, two["gradients"], strict=True))
    both = [load_file(tmp_path / name / "rm" / "adapter_model.safetensors") for name in ("one", "two")]
    assert all(torch.allclose(value, both[1][name], atol=1e-5) for name, value in both[0].items())
    written = json.loads((tmp_path / "two" / "training.json").read_text())
    assert (written["steps"], written["loss"]) == (6, pytest.approx(result["loss"], abs=1e-5))


def test_a_label_without_states_is_an_error(parts: dict[str, Any], tmp_path: Path) -> None:
    inputs = {"backbone": parts["backbone"], "human": [parts["test"]], "encoded": [parts["seed_encoded"]]}
    with pytest.raises(ValueError, match="80 labelled pairs are not encoded"):
        run_stage("train_reward_model", SPEC, inputs, tmp_path, silent)


def test_training_continues_from_an_earlier_model(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    labels = tables.read(parts["test"], columns=tables.LABELS.names)
    rows = (row | {"target": hard_target(row["preferred"]), "weight": 1.0} for row in labels)
    tables.write(tmp_path / "selected.parquet", tables.SELECTED, rows)
    inputs = {
        "backbone": parts["backbone"],
        "human": [parts["seed"]],
        "pseudo": [tmp_path / "selected.parquet"],
        "encoded": [parts["seed_encoded"], parts["test_encoded"]],
        "states": [parts["seed_states"], parts["test_states"]],
        "start": trained / "rm",
    }
    summary = run_stage("train_reward_model", SPEC.model_copy(update={"as_on_human": True}), inputs, tmp_path, silent)
    assert (summary["n_human"], summary["n_pseudo"]) == (60, 80)
    assert summary["steps"] == 36  # 3 epochs over 60 pairs see 180, for which it takes 2 over 140
    assert summary["first_loss"] < 0.4  # an untrained model begins at log 2


def test_a_kill_costs_less_than_a_tenth_of_a_training() -> None:
    assert [save_every(steps) for steps in (1, 20)] == [1, 1]
    for steps in range(21, 2000):
        assert 1 <= save_every(steps) <= 20
        assert save_every(steps) + 1 < steps / 10  # with the step in hand


def test_a_training_that_was_finished_is_not_begun_again(parts: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    assert not is_trained(tmp_path)
    train_once(parts, tmp_path)
    assert is_trained(tmp_path)


@pytest.mark.parametrize(("save", "wanted"), [(0.0, 20), (0.5, 20), (30.0, 2), (300.0, 1)])
def test_on_a_gpu_saving_takes_a_small_share_of_the_time(save: float, wanted: int) -> None:
    """A hundred steps of ten seconds: they are saved every five, or so rarely that it takes a twentieth of them."""
    now = 0.0
    callback, saved = SaveInTime(5, lambda: now), []
    for step in range(1, 101):
        now += 10
        state, control = TrainerState(global_step=step), TrainerControl()
        callback.on_step_end(None, state, control)
        if control.should_save:
            saved.append(step)
            now += save
            callback.on_save(None, state, control)
    assert len(saved) == wanted and saved[0] == 5
    assert len(saved) * save <= 0.05 * now + save
