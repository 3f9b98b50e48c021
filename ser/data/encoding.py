"""Texts to tokens: prompts, the end of a response, and truncation that keeps responses whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser.data.chat import render_prompt
from ser.data.pairs import Pair
from ser.errors import SerError, is_failure, shortened
from ser.specs import MIN_PROMPT_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EncodedPair:
    """Token ids of a pair; each response ends with the end token, at which its reward is read.

    `cut` is how many tokens were cut from the left of the prompt.
    """

    pair_id: str
    prompt: list[int]
    response_a: list[int]
    response_b: list[int]
    cut: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response_a) + len(self.response_b)


class TooLongError(SerError):
    """The responses of a pair leave no room for its prompt."""


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Tokens of a canonical prompt, up to where the assistant begins to answer.

    Raises:
        SerError: the chat template cannot express the conversation.
    """
    text = render_prompt(tokenizer, prompt)
    if tokenizer.chat_template is not None:
        return _tokens(tokenizer, text, special=False)  # a template writes what begins a conversation itself
    tokens = _tokens(tokenizer, text, special=True)
    # Some tokenizers (`add_eos_token`) end every text, and here the assistant's answer is still to come.
    return tokens[:-1] if tokens[-1:] == [tokenizer.eos_token_id] else tokens


def encode_response(tokenizer: PreTrainedTokenizerBase, response: str) -> list[int]:
    """Tokens of a response, closed by the end token.

    A tokenizer of SentencePiece begins them with a space, as those who trained Llama 2 and Mistral did.
    """
    return [*_tokens(tokenizer, response, special=False), tokenizer.eos_token_id]


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str, special: bool) -> list[int]:
    """Tokens of a text, with the tokenizer's own around them if they are `special`."""
    try:
        tokens: list[int] = tokenizer(text, add_special_tokens=special)["input_ids"]
    except BaseException as error:
        if not is_failure(error):
            raise
        raise SerError(
            f"the backbone's tokenizer fails ({shortened(error)}) at a text that begins {text[:80]!r}.\n"
            "Replace tokenizer.json in the backbone's folder, or use another backbone."
        ) from error
    return tokens


def truncate_prompt(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], longest_response: int, max_length: int
) -> list[int]:
    """The last tokens of `prompt` that fit beside `longest_response` tokens into `max_length`.

    A token with which the tokenizer begins every text stays where it is: Llama and Mistral never saw a text without.
    """
    over = len(prompt) + longest_response - max_length
    if over <= 0:
        return list(prompt)
    begin = [tokenizer.bos_token_id] if begins_every_text(tokenizer) else []
    kept = begin if list(prompt[:1]) == begin else []
    return [*kept, *prompt[over + len(kept) :]]


def begins_every_text(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer puts its first token before whatever it is given."""
    return tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]


def fits(longest_response: int, max_length: int) -> bool:
    """Whether enough of a prompt fits beside a response of so many tokens for the pair to mean anything."""
    return longest_response <= max_length - MIN_PROMPT_TOKENS


def encode_pair(tokenizer: PreTrainedTokenizerBase, pair: Pair, max_length: int) -> EncodedPair:
    """Encode one pair; the prompt is cut from the left, the responses never.

    Raises:
        TooLongError: the responses alone leave no room for the prompt.
    """
    a = encode_response(tokenizer, pair.response_a)
    b = encode_response(tokenizer, pair.response_b)
    longest = max(len(a), len(b))
    if not fits(longest, max_length):
        raise TooLongError(
            f"pair {pair.pair_id}: a response of {longest} tokens does not fit into max_length {max_length}. "
            f"Set encoding.max_length to at least {longest + MIN_PROMPT_TOKENS}."
        )
    whole = encode_prompt(tokenizer, pair.prompt)
    prompt = truncate_prompt(tokenizer, whole, longest, max_length)
    return EncodedPair(pair.pair_id, prompt, a, b, cut=len(whole) - len(prompt))


def check_tokens(pair: EncodedPair, rows: int) -> None:
    """Refuse tokens for which the embedding of a model has no row: on a GPU they would end the process.

    Raises:
        SerError: names the pair and the token.
    """
    largest = max(max(part, default=0) for part in (pair.prompt, pair.response_a, pair.response_b))
    if largest >= rows:
        raise SerError(
            f"pair {pair.pair_id} has token {largest}, and the backbone's embedding has {rows:,} rows.\n"
            "The tokenizer is not the model's: replace it in the backbone's folder, or use another backbone."
        )
