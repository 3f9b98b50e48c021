import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ser.data import tables
from ser.data.pairs import canonical_prompt, pair_id
from ser.errors import SerError
from ser.models.backbone import load_model
from ser.models.reward_model import RewardModel
from ser.progress import silent
from ser.scratch import scratch_path
from ser.specs import Arithmetic, Encoding, Lora, Ppo
from ser.stages.ppo import PpoSpec
from tests.models import run_stage

SPEC = PpoSpec(
    ppo=Ppo(
        lora=Lora(r=4, top=0.5), episodes=10, batch_size=4, minibatch_size=2, epochs=2, response_tokens=6,
        learning_rate=1e-3,
    ),
    encoding=Encoding(max_length=64),
    arithmetic=Arithmetic(),
    random_seed=3,
    reward_offset=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("inputs")
    RewardModel.new(tiny_backbone, Lora(r=4, top=0.5), Arithmetic(), 1).save(folder / "rm")
    texts = [canonical_prompt(f"please help with {word}") for word in ("rice", "rice", "a phone", "sleep " * 50)]
    rows = [
        {"pair_id": pair_id(text, "x", str(n)), "prompt": text, "response_a": "x", "response_b": str(n)}
        for n, text in enumerate(texts)
    ]
    tables.write(folder / "pool.parquet", tables.PAIRS, rows[:2])
    tables.write(folder / "seed.parquet", tables.LABELLED, [row | {"preferred": "a"} for row in rows[2:]])
    prompts = [folder / "pool.parquet", folder / "seed.parquet"]
    return {"backbone": tiny_backbone, "reward_model": folder / "rm", "prompts": prompts}


def contents(folder: Path) -> dict[str, bytes]:
    """What the store keeps: not what the stage keeps for the case of a kill."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def made(inputs: dict[str, Any], out: Path, spec: PpoSpec = SPEC, progress: Any = silent) -> tuple[dict, dict]:
    out.mkdir(exist_ok=True)
    summary = run_stage("ppo", spec, inputs, out, progress)
    return json.loads(json.dumps(summary)), contents(out)


def test_a_policy_is_made_with_its_records(inputs: dict[str, Any], tmp_path: Path) -> None:
    seen = []
    summary, files = made(inputs, tmp_path / "out", progress=lambda *args: seen.append(args))
    assert set(files) == {
        "policy/adapter_config.json", "policy/adapter_model.safetensors", "value_head.safetensors",
        "metrics.parquet", "samples.parquet",
    }  # fmt: skip
    metrics = list(tables.read(tmp_path / "out" / "metrics.parquet"))
    assert [row["episodes"] for row in metrics] == [4, 8, 10]
    samples = list(tables.read(tmp_path / "out" / "samples.parquet"))
    assert [row["step"] for row in samples] == [0] * 4 + [1] * 4 + [2] * 2
    assert len({row["prompt"] for row in samples}) == 3
    assert summary["prompts"] == 3 and summary["episodes"] == 10 and summary["rollouts"] == 3
    assert summary["mean_reward"] == metrics[-1]["mean_reward"] and summary["kl"] == metrics[-1]["mean_kl"]
    assert summary["ratio_error"] == 0 == max(row["ratio_error"] for row in metrics)
    assert seen[-1][:3] == (10, 10, "episodes")
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)


def test_a_killed_stage_continues_to_the_same_bytes(inputs: dict[str, Any], tmp_path: Path) -> None:
    expected = made(inputs, tmp_path / "whole")

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(inputs, tmp_path / "broken", progress=kill)
    assert scratch_path(tmp_path / "broken", "checkpoint.pt").exists()
    assert made(inputs, tmp_path / "broken") == expected


def test_the_policy_folder_does_not_depend_on_where_the_backbone_lies(inputs: dict[str, Any], tmp_path: Path) -> None:
    moved = inputs | {"backbone": shutil.copytree(inputs["backbone"], tmp_path / "elsewhere")}
    assert made(inputs, tmp_path / "a") == made(moved, tmp_path / "b")


def test_another_seed_makes_another_policy(inputs: dict[str, Any], tmp_path: Path) -> None:
    _, one = made(inputs, tmp_path / "a")
    _, other = made(inputs, tmp_path / "b", SPEC.model_copy(update={"random_seed": 4}))
    name = "policy/adapter_model.safetensors"
    assert one[name] != other[name]


def test_the_policy_loads_as_a_peft_model(inputs: dict[str, Any], tmp_path: Path) -> None:
    from peft import PeftModel

    made(inputs, tmp_path / "out")
    model = load_model(inputs["backbone"], "causal_lm", Arithmetic())
    assert PeftModel.from_pretrained(model, tmp_path / "out" / "policy").active_adapter == "default"


def test_no_prompts_is_said(inputs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SerError, match="no prompts"):
        run_stage("ppo", SPEC, inputs | {"prompts": []}, tmp_path)
