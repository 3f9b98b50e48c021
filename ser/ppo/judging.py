"""What the comparison of two policies needs of the models: greedy responses, and the rewards that judge them."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from peft import PeftModel
from transformers import PreTrainedModel

from ser.data.batches import plan
from ser.data.encoding import EncodedPair
from ser.errors import SerError
from ser.method.ensemble import combine
from ser.models.backbone import load_model
from ser.models.generation import batches, generate
from ser.models.reward_model import fold_in, load_to_score, members_of, refuse_pickles
from ser.progress import Progress
from ser.scratch import scratch_path
from ser.slices import Slices
from ser.specs import Arithmetic, Scale


def greedy_responses(
    backbone: Path,
    policy: Path,
    arithmetic: Arithmetic,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    out: Path,
    progress: Progress,
) -> tuple[list[list[int]], list[list[int]]]:
    """Greedy responses of the backbone, then of the policy over the same backbone; kept in `out` as they come."""

    def tell(before: int, done: int, note: str) -> None:
        progress(before + done, 2 * len(prompts), "responses", note)

    model = load_model(backbone, "causal_lm", arithmetic)
    sizes = (response_tokens, end_token)
    of_base = _greedy(model, prompts, *sizes, partial(tell, 0, note="base"), scratch_path(out, "base"))
    refuse_pickles(policy)
    try:
        peft = PeftModel.from_pretrained(model, policy)
    except (OSError, ValueError, RuntimeError) as error:
        raise SerError(f"the policy in {policy} cannot be loaded: {error}.") from error
    of_policy = _greedy(
        fold_in(peft), prompts, *sizes, partial(tell, len(prompts), note="policy"), scratch_path(out, "policy")
    )
    return of_base, of_policy


def _greedy(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    tell: Callable[[int], None],
    folder: Path,
) -> list[list[int]]:
    """Greedy responses, a slice for each batch: those that a killed process wrote are not generated again."""
    responses: list[list[int]] = [[] for _ in prompts]
    plan = batches(prompts, response_tokens)
    slices, done = Slices(folder, len(plan)), 0
    missing = set(slices.missing())
    for number, rows in enumerate(plan):
        done += len(rows)
        if number in missing:
            batch = generate(model, [prompts[row] for row in rows], response_tokens, end_token).responses
            slices.write(number, json.dumps(batch).encode())
            tell(done)
        for row, response in zip(rows, json.loads(slices.read(number)), strict=True):
            responses[row] = response
    return responses


def rewards(
    backbone: Path,
    reward_model: Path,
    arithmetic: Arithmetic,
    pairs: Sequence[EncodedPair],
    batch_tokens: int,
    scales: Sequence[Scale] = (),
) -> list[list[float]]:
    """The rewards that a saved reward model, or an ensemble with its scales, gives to the responses of each pair."""
    if not pairs:
        return []
    members = [
        _member_rewards(backbone, adapter, arithmetic, pairs, batch_tokens) for adapter in members_of(reward_model)
    ]
    combined: list[list[float]] = combine(members, scales).rewards.tolist()
    return combined


def _member_rewards(
    backbone: Path, adapter: Path, arithmetic: Arithmetic, pairs: Sequence[EncodedPair], batch_tokens: int
) -> np.ndarray:
    """[N, 2] of one member, which is in memory no longer than that takes."""
    model, rewards = load_to_score(backbone, adapter, arithmetic), np.empty((len(pairs), 2))
    for batch in plan([(len(pair), pair.pair_id) for pair in pairs], batch_tokens):
        rewards[batch] = model.score(pairs[row] for row in batch).cpu().numpy()
    return rewards
