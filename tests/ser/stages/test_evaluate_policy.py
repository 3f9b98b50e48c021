import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from resources.disk import clear
from ser.data import tables
from ser.data.encoding import EncodedPair, encode_prompt
from ser.data.pairs import canonical_prompt, pair_id
from ser.method.comparison import choose, judge_fold, outcome
from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.generation import generate
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.ppo.policy import Policy
from ser.ppo.prompts import Prompt
from ser.progress import silent
from ser.specs import Arithmetic, Encoding, Judging, Lora, ModelSpec
from ser.stages.base_responses import RESPONSES_NAME, BaseResponsesSpec
from ser.stages.evaluate_policy import EvaluatePolicySpec, _verdict
from tests.models import run_stage

evaluate = partial(run_stage, "evaluate_policy")
SPEC = EvaluatePolicySpec(
    judging=Judging(prompts=9, tie_band=0.01),
    encoding=Encoding(max_length=64),
    arithmetic=Arithmetic(),
    response_tokens=6,
    random_seed=0,
    reward_offset=0.0,
)
OF_BASE = BaseResponsesSpec(
    prompts=9, encoding=SPEC.encoding, arithmetic=SPEC.arithmetic, response_tokens=6, random_seed=0
)
ACCURACY = {"value": 0.7, "ci_low": 0.6, "ci_high": 0.8, "n": 50}
COIN = {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 96}
OFFSETS = [0.5, -0.25]


def reward_model(backbone: Path, folder: Path, seed: int) -> Path:
    model = RewardModel.new(backbone, Lora(r=4, top=0.5), Arithmetic(), seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save(folder)
    return folder


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("inputs")
    rm = reward_model(tiny_backbone, folder / "rm", 1)
    for fold in (0, 1):
        reward_model(tiny_backbone, folder / "judge" / f"fold_{fold}" / "rm", 5 + fold)
    (folder / "judge" / "judge.json").write_text(
        json.dumps({"offsets": OFFSETS, "accuracy": ACCURACY, "longer_wins": COIN})
    )
    policy = Policy.new(tiny_backbone, rm, Lora(r=4, top=1.0), Arithmetic(), 0)
    for parameter in policy.trainable().values():
        torch.nn.init.normal_(parameter, std=0.3)
    policy.save(folder)
    texts = [canonical_prompt(f"please help with step {n // 2}") for n in range(24)]
    rows = [{"pair_id": pair_id(t, "x", str(n)), "prompt": t, "preferred": "a", "unit": t} for n, t in enumerate(texts)]
    empty = {"response_a": "x", "response_b": "y"}
    tables.write(folder / "test.parquet", tables.LABELLED, [row | empty for row in rows])
    (folder / "base").mkdir()
    run_stage("base_responses", OF_BASE, {"backbone": tiny_backbone, "test": folder / "test.parquet"}, folder / "base")
    return {
        "backbone": tiny_backbone,
        "policy": folder / "policy",
        "base_responses": folder / "base" / RESPONSES_NAME,
        "reward_model": rm,
        "judge": folder / "judge",
        "test": folder / "test.parquet",
    }


@pytest.fixture(scope="module")
def judged(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[dict]]:
    out = tmp_path_factory.mktemp("out")
    summary = json.loads(json.dumps(evaluate(SPEC, inputs, out, silent)))
    return summary, list(tables.read(out / "judged.parquet"))


def test_the_summary_counts_what_the_table_says(judged: tuple[dict, list[dict]]) -> None:
    summary, rows = judged
    assert summary["n"] == len(rows) == 9 == len({row["prompt"] for row in rows})
    for name in ("win", "tie", "loss"):
        assert summary[name] == sum(row["outcome"] == name for row in rows)
    assert summary["win_rate"]["value"] == (summary["win"] + summary["tie"] / 2) / 9
    assert summary["judge"] == {"accuracy": ACCURACY, "longer_wins": COIN, "cross_fitted": True}
    mean = sum(row["policy_reward"] for row in rows) / 9
    assert summary["mean_policy_reward"] == pytest.approx(mean, abs=1e-6)
    assert {judge_fold(row["prompt"]) for row in rows} == {0, 1}


def test_scores_are_those_of_the_models_they_claim(judged: tuple[dict, list[dict]], inputs: dict[str, Any]) -> None:
    tokenizer = load_tokenizer(inputs["backbone"])
    model = load_model(inputs["backbone"], "causal_lm", Arithmetic())
    rm = RewardModel.load(inputs["backbone"], inputs["reward_model"], Arithmetic())
    judges = [RewardModel.load(inputs["backbone"], inputs["judge"] / f"fold_{k}" / "rm", Arithmetic()) for k in (0, 1)]
    for row in judged[1]:
        prompt = encode_prompt(tokenizer, row["prompt"])
        [response] = generate(Decoder(model), [prompt], 6, tokenizer.eos_token_id).responses
        assert row["base_response"] == tokenizer.decode(response, skip_special_tokens=True)
        if response[-1] != tokenizer.eos_token_id:
            response.append(tokenizer.eos_token_id)
        pair = EncodedPair("x", prompt, response, response)
        fold = judge_fold(row["prompt"])
        assert row["base_reward"] == pytest.approx(rm.score([pair])[0, 0].item(), abs=1e-4)
        centred = judges[fold].score([pair])[0, 0].item() - OFFSETS[fold]
        assert row["judge_base"] == pytest.approx(1 / (1 + math.exp(-centred)), abs=1e-4)
        assert row["base_response"] != row["policy_response"] or row["outcome"] == "tie"


def test_two_runs_write_the_same_bytes(inputs: dict[str, Any], tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"judging": Judging(prompts=3)})
    seen: list[tuple] = []
    first = evaluate(spec, inputs, tmp_path, lambda *args: seen.append(args))
    content = (tmp_path / "judged.parquet").read_bytes()
    assert evaluate(spec, inputs, tmp_path, silent) == first
    assert (tmp_path / "judged.parquet").read_bytes() == content
    assert seen[-1][:3] == (3, 3, "responses")


@pytest.mark.parametrize(
    ("base", "policy", "scores", "expected"),
    [
        ("x", "y", (0.5, 0.75), "win"),
        ("x", "y", (0.75, 0.5), "loss"),
        ("x", "y", (0.5, 0.625), "tie"),  # exactly the tie band
        ("x", "x", (0.1, 0.9), "tie"),
    ],
)
def test_outcome(base: str, policy: str, scores: tuple[float, float], expected: str) -> None:
    assert outcome(base, policy, *scores, tie_band=0.125) == expected


def test_a_tie_is_half_a_win() -> None:
    outcomes = ["win"] * 6 + ["tie"] * 2 + ["loss"] * 2
    rows = [{"pair_id": str(k), "outcome": outcome} for k, outcome in enumerate(outcomes)]
    verdict = _verdict(rows, {row["pair_id"]: row["pair_id"] for row in rows})
    assert (verdict["win"], verdict["tie"], verdict["loss"]) == (6, 2, 2)
    rate = verdict["win_rate"]
    assert rate["value"] == 0.7 and rate["n"] == 10
    assert rate["ci_low"] == pytest.approx(0.3968, abs=1e-4) and rate["ci_high"] == pytest.approx(0.8922, abs=1e-4)


def test_more_prompts_displace_few_of_the_chosen() -> None:
    prompts = [Prompt(str(n), f"text {n}") for n in range(200)]
    before, after = set(choose(prompts[:190], 50, 0)), set(choose(prompts, 50, 0))
    assert len(before & after) >= 40 and choose(prompts[::-1], 50, 0) == choose(prompts, 50, 0)


@pytest.mark.parametrize(
    ("stage", "spec", "file"),
    [("evaluate_policy", SPEC, "judged.parquet"), ("base_responses", OF_BASE, RESPONSES_NAME)],
)
def test_a_killed_comparison_asks_nothing_twice(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, spec: ModelSpec, file: str
) -> None:
    from ser.ppo import judging

    class KilledError(Exception):
        pass

    monkeypatch.setitem(judging._SLICE_TOKENS, "cpu", 64)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    everything: list[int] = []
    wanted = run_stage(stage, spec, inputs, whole, lambda done, *_: everything.append(done))
    assert len(everything) > 3
    for last in (1, len(everything) - 2):

        def kill(done: int, *_: Any, at: int = everything[last]) -> None:
            if done == at:
                raise KilledError

        with pytest.raises(KilledError):
            run_stage(stage, spec, inputs, broken, kill)
    after: list[int] = []
    assert run_stage(stage, spec, inputs, broken, lambda done, *_: after.append(done)) == wanted
    assert after == everything[-1:]
    assert (broken / file).read_bytes() == (whole / file).read_bytes()
    clear(broken)
    assert [path.name for path in broken.iterdir()] == [file]
