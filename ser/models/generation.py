"""Continuations of prompts, greedy or sampled, that depend on nothing but the model, the prompts and the draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from ser.data.batches import plan
from ser.data.pairs import keyed_hash
from ser.models.decoding import Decoder

_LOOK_EVERY = {"cpu": 1, "cuda": 8}
"""Steps after which it is looked who has ended: a GPU stands still while the host looks."""


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
    decoder: Decoder,
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

    def generate_all(tokens: int) -> Generated:
        whole = Generated([[] for _ in prompts], [False] * len(prompts))
        planned = batches(prompts, response_tokens, tokens)
        for rows in chain.from_iterable(_fitting(decoder, rows, prompts, response_tokens) for rows in planned):
            chosen = None if draws is None else draws[rows].to(decoder.device)
            decoder.begin([prompts[row] for row in rows], chosen, response_tokens, temperature)
            for row, response in zip(rows, _finish(decoder, len(rows), response_tokens, end_token), strict=True):
                whole.responses[row], whole.finished[row] = response, response[-1] == end_token
        return whole

    def give_way() -> bool:
        decoder.free()
        return False  # the same buffers would not fit again

    return decoder.budget.run(generate_all, give_way)


def batches(prompts: Sequence[Sequence[int]], response_tokens: int, tokens: int) -> list[list[int]]:
    """Numbers of the prompts that are continued together: at most so many tokens, those to come included."""
    return plan([(len(prompt) + response_tokens, f"{row:09}") for row, prompt in enumerate(prompts)], tokens)


def _fitting(
    decoder: Decoder, rows: list[int], prompts: Sequence[Sequence[int]], response_tokens: int
) -> list[list[int]]:
    """The same rows, in two parts where those of a graph, which may be nearly twice as many, have no room."""
    most = decoder.rows_for(len(rows))
    longest = max(len(prompts[row]) for row in rows) + response_tokens
    if len(rows) == 1 or most * longest <= decoder.room:
        return [rows]
    return [rows[: most // 2], rows[most // 2 :]]


def _finish(decoder: Decoder, prompts: int, response_tokens: int, end_token: int) -> list[list[int]]:
    """The responses to what the decoder has begun. Those that have ended leave the batch."""
    responses: list[list[int]] = [[] for _ in range(prompts)]
    here, rows = list(range(prompts)), decoder.rows_for(prompts)
    for step in range(1, response_tokens + 1):
        if step == response_tokens or step % _LOOK_EVERY[decoder.device.type] == 0:
            said = decoder.tokens(rows)[: len(here)].tolist()
            going = [row for row, tokens in enumerate(said) if end_token not in tokens]
            for row, tokens in zip(here, said, strict=True):
                responses[row] = tokens[: tokens.index(end_token) + 1] if end_token in tokens else tokens
            if not going:
                break
            if (fewer := decoder.rows_for(len(going))) < rows:
                others = [row for row in range(rows) if row not in going]
                decoder.keep([*going, *others[: fewer - len(going)]])
                here, rows = [here[row] for row in going], fewer
        if step < response_tokens:
            decoder.step(rows)
    return responses
