"""Continuations of prompts, greedy or sampled, that depend on nothing but the model, the prompts and the draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel

from ser.data.batches import plan
from ser.data.pairs import keyed_hash

_TOKENS = 2048
"""Padded tokens a batch: every step reads all weights for one token a row, so many rows pay."""


@dataclass
class Generated:
    """`B` responses of at most `T` tokens.

    Attributes:
        responses: token ids; a finished response ends with the end token.
        finished: whether the end token came within `T` tokens.
    """

    responses: list[list[int]]
    finished: list[bool]


def stream(random_seed: int, *parts: str | int) -> torch.Generator:
    """A random stream of its own for every seed and identity, untouched by any other draw."""
    seed = int(keyed_hash("stream", str(random_seed), *map(str, parts))[:15], 16)
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    temperature: float = 1.0,
    draws: torch.Tensor | None = None,
) -> Generated:
    """Continue each prompt by up to `response_tokens` tokens, in batches of similar length.

    `draws` [B, response_tokens] in [0, 1) choose the tokens (the inverse of the cumulative distribution), so a
    response does not depend on what else is in its batch. Without draws the likeliest token is taken.
    """
    whole = Generated([[] for _ in prompts], [False] * len(prompts))
    for rows in batches(prompts, response_tokens):
        chosen = None if draws is None else draws[rows].to(model.device)
        tokens = _continue(model, [prompts[row] for row in rows], response_tokens, end_token, temperature, chosen)
        for row, response in zip(rows, tokens.tolist(), strict=True):
            whole.responses[row] = [token for token in response if token >= 0]
            whole.finished[row] = whole.responses[row][-1] == end_token
    return whole


def batches(prompts: Sequence[Sequence[int]], response_tokens: int) -> list[list[int]]:
    """Numbers of the prompts that are continued together."""
    return plan([(len(prompt) + response_tokens, f"{row:09}") for row, prompt in enumerate(prompts)], _TOKENS)


def _continue(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    response_tokens: int,
    end_token: int,
    temperature: float,
    draws: torch.Tensor | None,
) -> torch.Tensor:
    """Continue one batch; returns the tokens [B, T], with -1 after the end."""
    ids, visible = _pad_left(prompts, model.device)
    positions = (visible.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    alive = torch.arange(len(prompts), device=model.device)
    tokens = torch.full((len(prompts), response_tokens), -1, device=model.device)
    for step in range(response_tokens):
        last = model.model(
            input_ids=ids,
            attention_mask=visible,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        scores = torch.log_softmax(model.lm_head(last).float() / temperature, dim=-1)
        chosen = scores.argmax(-1) if draws is None else _draw(scores, draws[alive, step])
        tokens[alive, step] = chosen
        going = chosen != end_token
        if not going.any():
            break
        if not going.all():
            cache.batch_select_indices(going.nonzero().squeeze(1))
        alive, ids, positions = alive[going], chosen[going, None], positions[going, -1:] + 1
        visible = torch.nn.functional.pad(visible[going], (0, 1), value=1)
    return tokens


def _pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, P] that all end in the last column, and the mask of what is not padding."""
    length = max(map(len, prompts))
    ids = torch.zeros(len(prompts), length, dtype=torch.long)
    visible = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt)
        visible[row, length - len(prompt) :] = 1
    return ids.to(device), visible.to(device)


def _draw(logprobs: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """The tokens [B] at which the cumulative probability first exceeds the draws [B]."""
    # In float64: 50,000 probabilities summed in float32 would be off by more than the rare tokens are likely.
    cumulative = logprobs.double().exp().cumsum(-1)
    at = torch.searchsorted(cumulative, (draws.double() * cumulative[:, -1])[:, None], right=True)
    return at.squeeze(1).clamp(max=logprobs.shape[1] - 1)
