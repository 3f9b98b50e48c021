"""Texts to tokens: the chat template, the end of a response, and truncation that keeps responses whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser.data.pairs import Pair, prompt_messages
from ser.errors import SerError
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
    return tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"]


def render_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """A canonical prompt in the chat template; in turns that alternate if the template refuses it as it is.

    Raises:
        SerError: the chat template cannot express the conversation.
    """
    from jinja2 import TemplateError

    messages = prompt_messages(prompt)
    if tokenizer.chat_template is None:
        return "".join(f"{message['content']}\n\n" for message in messages)

    def render(turns: list[dict[str, str]]) -> str:
        return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    for turns in (messages, _alternating(messages)):
        try:
            return render(turns)
        except TemplateError as error:
            refusal = error
    raise SerError(
        f"the backbone's chat template refuses a conversation ({refusal}); it begins {str(messages[0])[:80]!r}.\n"
        "Mend chat_template in the backbone's folder, or use another backbone."
    ) from refusal


def _alternating(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The conversation as user and assistant in turn, the user first: what every chat template can express.

    What the system says opens the user's next message, and messages of one role in a row become one.
    """
    turns: list[dict[str, str]] = [{"role": "user", "content": ""}]
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        if role == turns[-1]["role"]:
            turns[-1]["content"] = f"{turns[-1]['content']}\n\n{message['content']}".strip()
        else:
            turns.append({"role": role, "content": message["content"]})
    return turns


def encode_response(tokenizer: PreTrainedTokenizerBase, response: str) -> list[int]:
    """Tokens of a response, closed by the end token."""
    return [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def truncate_prompt(prompt: Sequence[int], longest_response: int, max_length: int) -> list[int]:
    """The last tokens of `prompt` that fit beside `longest_response` tokens into `max_length`."""
    return list(prompt[max(0, len(prompt) - (max_length - longest_response)) :])


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
    prompt = truncate_prompt(whole, longest, max_length)
    return EncodedPair(pair.pair_id, prompt, a, b, cut=len(whole) - len(prompt))
