"""The prompts that a policy answers: unique, encoded, and in an order that only the random seed decides."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ser.data import tables
from ser.data.database import open_database, pattern
from ser.data.encoding import MIN_PROMPT_TOKENS, encode_prompt, truncate_prompt
from ser.data.pairs import keyed_hash
from ser.errors import SerError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prompt:
    """A canonical prompt, known by the smallest id of its pairs."""

    pair_id: str
    text: str


def read_prompts(paths: Iterable[Path]) -> list[Prompt]:
    """The unique prompts of some tables with pair_id and prompt, sorted by pair_id."""
    found: dict[str, str] = {}
    for path in paths:
        for row in tables.read(path, columns=["pair_id", "prompt"]):
            found[row["prompt"]] = min(row["pair_id"], found.get(row["prompt"], row["pair_id"]))
    return sorted((Prompt(identity, text) for text, identity in found.items()), key=lambda one: one.pair_id)


def draw_prompts(paths: Sequence[Path], most: int, random_seed: int) -> tuple[list[Prompt], int]:
    """Those of `read_prompts` that come first in a `schedule`, at most so many, and how many there are in all.

    Memory holds the prompts that are drawn: the rest pass by once, as hashes.
    """
    if not paths:
        return [], 0
    with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as con:
        con.read_parquet([pattern(path) for path in paths]).create_view("every")
        unique = con.sql("SELECT min(pair_id) AS pair_id FROM every GROUP BY sha256(prompt)").to_arrow_reader(
            tables.ROWS
        )
        total, drawn = 0, list[tuple[str, str]]()
        for batch in unique:
            total += len(batch)
            places = ((_place(random_seed, 0, pair_id), pair_id) for pair_id in batch["pair_id"].to_pylist())
            drawn = heapq.nsmallest(most, chain(drawn, places))
        con.register("drawn", pa.table({"pair_id": pa.array([pair_id for _, pair_id in drawn], pa.string())}))
        texts = con.sql("SELECT DISTINCT pair_id, prompt FROM every SEMI JOIN drawn USING (pair_id)").fetchall()
    return [Prompt(*row) for row in sorted(texts)], total


def encode(
    tokenizer: PreTrainedTokenizerBase, prompt: str, response_tokens: int, max_length: int
) -> tuple[list[int], int]:
    """Tokens of a prompt, cut from the left so that a whole response and an end token fit into `max_length`.

    Also returns how many tokens were cut.

    Raises:
        SerError: the response alone leaves no room for the prompt.
    """
    needed = response_tokens + 1
    if max_length < needed + MIN_PROMPT_TOKENS:
        raise SerError(
            f"{response_tokens} response tokens leave no room for a prompt in max_length {max_length}. "
            f"Set encoding.max_length to at least {needed + MIN_PROMPT_TOKENS}, or lower ppo.response_tokens."
        )
    whole = encode_prompt(tokenizer, prompt)
    kept = truncate_prompt(tokenizer, whole, needed, max_length)
    return kept, len(whole) - len(kept)


def schedule(prompts: list[Prompt], episodes: int, random_seed: int) -> list[Prompt]:
    """The prompt of every episode: all prompts in a seeded order, then all again in another, as often as needed."""
    turns = range(-(-episodes // len(prompts)))
    order = [(turn, _place(random_seed, turn, prompt.pair_id), prompt) for turn in turns for prompt in prompts]
    return [prompt for _, _, prompt in sorted(order, key=lambda one: one[:2])][:episodes]


def _place(random_seed: int, turn: int, pair_id: str) -> str:
    return keyed_hash("ppo-order", str(random_seed), str(turn), pair_id)
