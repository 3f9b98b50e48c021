"""Stage: compare a policy with its base model on test prompts, judged by a model that PPO never saw."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.data.encoding import EncodedPair
from ser.method.comparison import judge_fold, outcome
from ser.method.stats import share
from ser.ppo.prompts import Prompt
from ser.progress import Progress
from ser.specs import HERE, Encoding, Execution, Judging, ModelSpec, Scale
from ser.stages.job import Inputs, Summary


class EvaluatePolicySpec(ModelSpec):
    """What a verdict depends on besides the models and the test prompts.

    `random_seed` decides which prompts are judged; `reward_offset` centres the rewards for the mean scores.
    """

    judging: Judging
    encoding: Encoding
    response_tokens: int
    random_seed: int
    reward_offset: float
    scales: Sequence[Scale] = ()


class EvaluatePolicyInputs(Inputs):
    """Model folder, policy, its base's responses, the reward model of PPO, the labelled test table, and the judge.

    The judge's folder holds `fold_0/rm`, `fold_1/rm` and `judge.json`: {"offsets": [o0, o1], "accuracy": {...},
    "longer_wins": {...}}.
    """

    backbone: Path
    policy: Path
    base_responses: Path
    reward_model: Path
    test: Path
    judge: Path


class EvaluatePolicySummary(Summary):
    """The verdict, and means over the judged prompts."""

    n: int
    win: int
    tie: int
    loss: int
    win_rate: dict[str, Any]
    mean_base_reward: float
    mean_policy_reward: float
    mean_base_score: float
    mean_policy_score: float
    mean_base_length: float
    mean_policy_length: float
    base_finished: float
    policy_finished: float
    tie_band: float
    prompts_cut: int
    tokens_cut: int
    judge: dict[str, Any]


JUDGED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("prompt", pa.string()),
        ("base_response", pa.string()),
        ("policy_response", pa.string()),
        ("base_reward", pa.float64()),
        ("policy_reward", pa.float64()),
        ("judge_base", pa.float64()),
        ("judge_policy", pa.float64()),
        ("outcome", pa.string()),
    ]
)

WORTH = {"win": 1.0, "tie": 0.5, "loss": 0.0}


def run(
    spec: EvaluatePolicySpec, inputs: EvaluatePolicyInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> EvaluatePolicySummary:
    """Write `judged.parquet`: greedy responses of base and policy, their rewards, judge scores and the outcome.

    Rewards are raw and come from the RM that PPO optimised. A judge score is sigmoid(judge's reward - offset of
    its fold). An unfinished response is scored as if an end token followed.
    """
    from ser.method.calibration import sigmoid
    from ser.models.tokenizer import load_tokenizer
    from ser.ppo.judging import greedy_responses, judged_prompts, load_policy, rewards

    judge = json.loads((inputs.judge / "judge.json").read_text())
    tokenizer = load_tokenizer(inputs.backbone)
    sizes = (spec.response_tokens, spec.encoding.max_length)
    asked = judged_prompts(inputs.test, tokenizer, spec.judging.prompts, spec.random_seed, *sizes)
    prompts, encoded = asked.prompts, asked.tokens
    of_base = {row["pair_id"]: row["response"] for row in tables.read(inputs.base_responses)}
    base = [of_base[one.pair_id] for one in prompts]
    model = load_policy(inputs.backbone, inputs.policy, spec.arithmetic)
    policy = greedy_responses(model, encoded, spec.response_tokens, tokenizer.eos_token_id, out, progress)
    pairs = [
        EncodedPair(one.pair_id, tokens, _closed(a, tokenizer.eos_token_id), _closed(b, tokenizer.eos_token_id))
        for one, tokens, a, b in zip(prompts, encoded, base, policy, strict=True)
    ]
    raw = rewards(inputs.backbone, inputs.reward_model, spec.arithmetic, pairs, execution.batch_tokens, spec.scales)
    judged = _judge(spec, inputs, judge["offsets"], prompts, pairs, execution)
    rows = _rows(prompts, (base, policy), raw, judged, tokenizer, spec.judging.tie_band)
    tables.write(out / "judged.parquet", JUDGED, rows)
    ended = [[one[-1] == tokenizer.eos_token_id for one in part] for part in (base, policy)]
    lengths = [[len(one) for one in part] for part in (base, policy)]
    centred = [[sigmoid(reward - spec.reward_offset) for reward in row] for row in raw]
    return EvaluatePolicySummary(
        **_verdict(rows, tables.groups(inputs.test)),
        mean_base_reward=_mean([base for base, _ in raw]),
        mean_policy_reward=_mean([policy for _, policy in raw]),
        mean_base_score=_mean([base for base, _ in centred]),
        mean_policy_score=_mean([policy for _, policy in centred]),
        mean_base_length=_mean(lengths[0]),
        mean_policy_length=_mean(lengths[1]),
        base_finished=_mean(ended[0]),
        policy_finished=_mean(ended[1]),
        tie_band=spec.judging.tie_band,
        prompts_cut=sum(tokens > 0 for tokens in asked.cut),
        tokens_cut=sum(asked.cut),
        judge={"accuracy": judge["accuracy"], "longer_wins": judge["longer_wins"], "cross_fitted": True},
    )


def _judge(
    spec: EvaluatePolicySpec,
    inputs: EvaluatePolicyInputs,
    offsets: Sequence[float],
    prompts: Sequence[Prompt],
    pairs: Sequence[EncodedPair],
    execution: Execution,
) -> list[list[float]]:
    """The judge's scores of the base's and of the policy's response to each prompt."""
    from ser.method.calibration import sigmoid
    from ser.ppo.judging import rewards

    rows = tables.read(inputs.test, columns=["prompt", "unit"])
    folds = {row["prompt"]: judge_fold(row["unit"]) for row in rows}
    scores: list[list[float]] = [[] for _ in pairs]
    for fold, offset in enumerate(offsets):
        mine = [row for row, one in enumerate(prompts) if folds[one.text] == fold]
        adapter = inputs.judge / f"fold_{fold}" / "rm"
        own = [pairs[row] for row in mine]
        raw = rewards(inputs.backbone, adapter, spec.arithmetic, own, execution.batch_tokens)
        for row, two in zip(mine, raw, strict=True):
            scores[row] = [sigmoid(reward - offset) for reward in two]
    return scores


def _rows(
    prompts: Sequence[Prompt],
    responses: tuple[list[list[int]], list[list[int]]],
    raw: Sequence[Sequence[float]],
    judged: Sequence[Sequence[float]],
    tokenizer: Any,
    tie_band: float,
) -> list[dict[str, Any]]:
    """The rows of `judged.parquet`, sorted by pair_id."""
    texts = [[tokenizer.decode(one, skip_special_tokens=True) for one in part] for part in responses]
    columns = zip(prompts, *texts, raw, judged, strict=True)
    rows = [
        {
            "pair_id": prompt.pair_id,
            "prompt": prompt.text,
            "base_response": base,
            "policy_response": policy,
            "base_reward": rewards_[0],
            "policy_reward": rewards_[1],
            "judge_base": scores[0],
            "judge_policy": scores[1],
            "outcome": outcome(base, policy, scores[0], scores[1], tie_band),
        }
        for prompt, base, policy, rewards_, scores in columns
    ]
    return sorted(rows, key=lambda row: row["pair_id"])


def _verdict(rows: Sequence[Mapping[str, Any]], groups: Mapping[str, str]) -> dict[str, Any]:
    """Counts of the outcomes, and the win rate (wins + ties / 2) / n with its 95 % interval.

    A tie counts as half a win. The interval is that of n yes-or-no answers, so with ties it is a little too wide;
    prompts of one unit are not independent answers.
    """
    counts = {name: sum(row["outcome"] == name for row in rows) for name in WORTH}
    win_rate = share([WORTH[row["outcome"]] for row in rows], [groups[row["pair_id"]] for row in rows])
    return {"n": len(rows), **counts, "win_rate": win_rate}


def _closed(response: list[int], end_token: int) -> list[int]:
    return response if response[-1] == end_token else [*response, end_token]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
