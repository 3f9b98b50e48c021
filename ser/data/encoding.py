"""Texts to tokens: the chat template, the end of a response, and truncation that keeps responses whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ser.data.pairs import Pair, prompt_messages
from ser.errors import SerError, is_failure, shortened
from ser.specs import MIN_PROMPT_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_LONGEST_FRAME = 2**18
"""Characters that a chat template may put around a conversation: the longest published system prompts have 2**14."""

_SECONDS = 20
"""Of a processor for one conversation; what people publish takes a thousandth of one."""

_REMEDY = "Mend chat_template in the backbone's folder, or use another backbone."


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
    return _tokens(tokenizer, text, special=tokenizer.chat_template is None)


def render_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """A canonical prompt in the chat template; in turns that alternate if the template refuses it as it is.

    Raises:
        SerError: the chat template cannot express the conversation.
    """
    messages = prompt_messages(prompt)
    if tokenizer.chat_template is None:
        return "".join(f"{message['content']}\n\n" for message in messages)

    for turns in (messages, _alternating(messages)):
        try:
            with _in_time():
                text = str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
        except Exception as error:  # noqa: BLE001 - any mistake that the author of a template may make
            refusal = error
            continue
        if len(text) > _LONGEST_FRAME + 4 * len(prompt):
            raise SerError(
                f"the backbone's chat template makes {len(text):,} characters of a conversation of {len(prompt):,}; it "
                f"begins {str(messages[0])[:80]!r}.\n{_REMEDY}"
            )
        return text
    raise SerError(
        f"the backbone's chat template refuses a conversation ({shortened(refusal)}); it begins "
        f"{str(messages[0])[:80]!r}.\n{_REMEDY}"
    ) from refusal


@contextmanager
def _in_time() -> Iterator[None]:
    """Stop a template that does not end, which the trial of a model cannot find for every conversation.

    Raises:
        TimeoutError: it took too long. Only the main thread can be stopped, in which stages run.
    """

    def stop(*_: object) -> NoReturn:
        raise TimeoutError(f"it did not end within {_SECONDS} seconds")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


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
