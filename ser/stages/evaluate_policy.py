"""Stage: compare a policy with its base model on test prompts, judged by a model that PPO never saw."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ser.data import tables
from ser.data.encoding import EncodedPair
from ser.errors import SerError
from ser.kept import Journal, keep_as
from ser.method.comparison import choose, judge_fold, outcome, rewards
from ser.method.stats import share
from ser.models.backbone import load_model, load_tokenizer
from ser.models.generation import batches, generate
from ser.models.reward_model import refuse_pickles
from ser.ppo.prompts import Prompt, encode, read_prompts
from ser.progress import Progress
from ser.stages.specs import EvaluatePolicySpec

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


def run(spec: EvaluatePolicySpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `judged.parquet`: greedy responses of base and policy, their rewards, judge scores and the outcome.

    `inputs`: `backbone`, `policy` and `reward_model` (folders), `test` (labelled table), `judge`
    (folder with `fold_0/rm`, `fold_1/rm` and `judge.json`: {"offsets": [o0, o1], "accuracy": {...},
    "longer_wins": {...}}).
    Rewards are raw and come from the RM that PPO optimised. A judge score is sigmoid(judge's reward - offset of
    its fold). An unfinished response is scored as if an end token followed.
    """
    judge = json.loads((inputs["judge"] / "judge.json").read_text())
    prompts = choose(read_prompts([inputs["test"]]), spec.judging.prompts, spec.random_seed)
    if not prompts:
        raise SerError("there are no test prompts to judge a policy on. Land labelled pairs with the role test.")
    tokenizer = load_tokenizer(inputs["backbone"])
    limit = spec.encoding.max_length
    encoded, cut = zip(*(encode(tokenizer, one.text, spec.response_tokens, limit) for one in prompts), strict=True)
    base, policy = _responses(spec, inputs, encoded, tokenizer.eos_token_id, out, progress)
    pairs = [
        EncodedPair(one.pair_id, tokens, _closed(a, tokenizer.eos_token_id), _closed(b, tokenizer.eos_token_id))
        for one, tokens, a, b in zip(prompts, encoded, base, policy, strict=True)
    ]
    raw = rewards(inputs["backbone"], inputs["reward_model"], spec.arithmetic, pairs)
    judged = _judge(spec, inputs, judge["offsets"], prompts, pairs)
    rows = _rows(prompts, (base, policy), raw, judged, tokenizer, spec.judging.tie_band)
    tables.write(out / "judged.parquet", JUDGED, rows)
    ended = [[one[-1] == tokenizer.eos_token_id for one in part] for part in (base, policy)]
    lengths = [[len(one) for one in part] for part in (base, policy)]
    centred = torch.sigmoid(raw - spec.reward_offset)
    return _verdict(rows, tables.groups(inputs["test"])) | {
        "mean_base_reward": raw[:, 0].mean().item(),
        "mean_policy_reward": raw[:, 1].mean().item(),
        "mean_base_score": centred[:, 0].mean().item(),
        "mean_policy_score": centred[:, 1].mean().item(),
        "mean_base_length": _mean(lengths[0]),
        "mean_policy_length": _mean(lengths[1]),
        "base_finished": _mean(ended[0]),
        "policy_finished": _mean(ended[1]),
        "tie_band": spec.judging.tie_band,
        "prompts_cut": sum(tokens > 0 for tokens in cut),
        "tokens_cut": sum(cut),
        "judge": {"accuracy": judge["accuracy"], "longer_wins": judge["longer_wins"], "cross_fitted": True},
    }


def _responses(
    spec: EvaluatePolicySpec,
    inputs: Mapping[str, Any],
    prompts: Sequence[Sequence[int]],
    end_token: int,
    out: Path,
    progress: Progress,
) -> tuple[list[list[int]], list[list[int]]]:
    """Greedy responses of the backbone, then of the policy with its adapter folded in."""

    def tell(before: int, done: int, note: str) -> None:
        progress(before + done, 2 * len(prompts), "responses", note)

    model = load_model(inputs["backbone"], "causal_lm", spec.arithmetic)
    kept = [Journal(keep_as(out, f"{name}.journal")) for name in ("base", "policy")]
    sizes = (spec.response_tokens, end_token)
    base = _greedy(model, prompts, *sizes, partial(tell, 0, note="base"), kept[0])
    refuse_pickles(inputs["policy"])
    try:
        merged = PeftModel.from_pretrained(model, inputs["policy"]).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise SerError(f"the policy in {inputs['policy']} cannot be loaded: {error}.") from error
    policy = _greedy(merged, prompts, *sizes, partial(tell, len(prompts), note="policy"), kept[1])
    return base, policy


def _greedy(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    tell: Callable[[int], None],
    journal: Journal,
) -> list[list[int]]:
    """Greedy responses, batch by batch: those that a killed process kept are not generated again."""
    responses: list[list[int]] = [[] for _ in prompts]
    done = 0
    for number, rows in enumerate(batches(prompts, response_tokens)):
        done += len(rows)
        if number < len(journal.found):
            batch = journal.found[number]
        else:
            batch = generate(model, [prompts[row] for row in rows], response_tokens, end_token).responses
            journal.add(batch)
            tell(done)
        for row, response in zip(rows, batch, strict=True):
            responses[row] = response
    return responses


def _judge(
    spec: EvaluatePolicySpec,
    inputs: Mapping[str, Any],
    offsets: Sequence[float],
    prompts: Sequence[Prompt],
    pairs: Sequence[EncodedPair],
) -> torch.Tensor:
    """Judge scores [N, 2] of the base's and the policy's responses."""
    rows = tables.read(inputs["test"], columns=["prompt", "group"])
    folds = {row["prompt"]: judge_fold(row["prompt"], row["group"]) for row in rows}
    scores = torch.empty(len(pairs), 2)
    for fold, offset in enumerate(offsets):
        mine = [row for row, one in enumerate(prompts) if folds[one.text] == fold]
        adapter = inputs["judge"] / f"fold_{fold}" / "rm"
        raw = rewards(inputs["backbone"], adapter, spec.arithmetic, [pairs[row] for row in mine])
        scores[mine] = torch.sigmoid(raw - offset)
    return scores


def _rows(
    prompts: Sequence[Prompt],
    responses: tuple[list[list[int]], list[list[int]]],
    raw: torch.Tensor,
    judged: torch.Tensor,
    tokenizer: PreTrainedTokenizerBase,
    tie_band: float,
) -> list[dict[str, Any]]:
    """The rows of `judged.parquet`, sorted by pair_id."""
    texts = [[tokenizer.decode(one, skip_special_tokens=True) for one in part] for part in responses]
    columns = zip(prompts, *texts, raw.tolist(), judged.tolist(), strict=True)
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
    prompts of one group are not independent answers.
    """
    counts = {name: sum(row["outcome"] == name for row in rows) for name in WORTH}
    win_rate = share([WORTH[row["outcome"]] for row in rows], [groups[row["pair_id"]] for row in rows])
    return {"n": len(rows), **counts, "win_rate": win_rate}


def _closed(response: list[int], end_token: int) -> list[int]:
    return response if response[-1] == end_token else [*response, end_token]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
