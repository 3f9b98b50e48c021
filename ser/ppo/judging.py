"""What the comparison of two policies needs of the models: greedy responses, and the rewards that judge them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedModel

from ser.data.batches import plan
from ser.data.encoding import EncodedPair
from ser.errors import SerError
from ser.method.comparison import choose
from ser.method.ensemble import combine
from ser.models.adapters import load_adapter
from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.generation import batches, generate
from ser.models.reward_model import fold_in, load_to_score, members_of
from ser.models.token_budget import TokenBudget
from ser.ppo.prompts import Prompt, encode, read_prompts
from ser.progress import Progress
from ser.scratch import scratch_path
from ser.slices import Slices
from ser.specs import Arithmetic, Scale

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SLICE_TOKENS = {"cpu": 2048, "cuda": 32_768}
"""Tokens of the prompts and responses of a slice, by the kind of device: whatever its memory, a kill costs no more."""


@dataclass(frozen=True)
class JudgedPrompts:
    """The prompts on which policies are compared, their tokens, and how many tokens each was cut by."""

    prompts: list[Prompt]
    tokens: list[list[int]]
    cut: list[int]


def judged_prompts(
    test: Path,
    tokenizer: PreTrainedTokenizerBase,
    most: int,
    random_seed: int,
    response_tokens: int,
    max_length: int,
) -> JudgedPrompts:
    """At most `most` prompts of a test table, as tokens that leave room for a response.

    Raises:
        SerError: there is none, or no room for one.
    """
    prompts = choose(read_prompts([test]), most, random_seed)
    if not prompts:
        raise SerError("there are no test prompts to judge a policy on. Land labelled pairs with the role test.")
    encoded = [encode(tokenizer, one.text, response_tokens, max_length) for one in prompts]
    return JudgedPrompts(prompts, [tokens for tokens, _ in encoded], [cut for _, cut in encoded])


def load_policy(backbone: Path, policy: Path, arithmetic: Arithmetic) -> PreTrainedModel:
    """The backbone with a policy's adapter folded in.

    Raises:
        SerError: it cannot be loaded.
    """
    return fold_in(load_adapter(load_model(backbone, "causal_lm", arithmetic), policy, "CAUSAL_LM"))


def greedy_responses(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    out: Path,
    progress: Progress,
) -> list[list[int]]:
    """Greedy responses, a slice in `out` for each batch: those that a killed process wrote are not generated again."""
    responses: list[list[int]] = [[] for _ in prompts]
    decoder = Decoder(model)
    plan = batches(prompts, response_tokens, _SLICE_TOKENS[decoder.device.type])
    slices, done = Slices(scratch_path(out, "responses"), len(plan)), 0
    missing = set(slices.missing())
    for number, rows in enumerate(plan):
        done += len(rows)
        if number in missing:
            batch = generate(decoder, [prompts[row] for row in rows], response_tokens, end_token).responses
            slices.write(number, json.dumps(batch).encode())
            progress(done, len(prompts), "responses")
        for row, response in zip(rows, json.loads(slices.read(number)), strict=True):
            responses[row] = response
    return responses


def rewards(
    backbone: Path,
    reward_model: Path,
    arithmetic: Arithmetic,
    pairs: Sequence[EncodedPair],
    batch_tokens: int | None,
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
    backbone: Path, adapter: Path, arithmetic: Arithmetic, pairs: Sequence[EncodedPair], batch_tokens: int | None
) -> np.ndarray:
    """[N, 2] of one member, which is in memory no longer than that takes."""
    model, rewards = load_to_score(backbone, adapter, arithmetic), np.empty((len(pairs), 2))
    budget = TokenBudget.for_scoring(model, batch_tokens)

    def score_all(tokens: int) -> None:
        for batch in plan([(len(pair), pair.pair_id) for pair in pairs], tokens):
            rewards[batch] = model.score(pairs[row] for row in batch).cpu().numpy()

    budget.run(score_all)
    return rewards
