"""Conversations as a chat template writes them: prompts, and the token that ends what the assistant says."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

from ser.data.pairs import prompt_messages
from ser.errors import SerError, shortened

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_LONGEST_FRAME = 2**18
"""Characters that a chat template may put around a conversation: the longest published system prompts have 2**14."""

_SECONDS = 20
"""Of a processor for one conversation; what people publish takes a thousandth of one."""

_REMEDY = "Mend chat_template in the backbone's folder, or use another backbone."

_TODAY = date(2024, 7, 26)
_DAY = (
    "{% macro strftime_now(form) %}{{ form"
    + "".join(f" | replace('{part}', '{_TODAY.strftime(part)}')" for part in ("%d", "%m", "%b", "%B", "%Y"))
    + " }}{% endmacro %}"
)
"""In the place of today. It is the day that Llama 3.1 and 3.2 write where nobody tells them another."""

_REPLY = "What the assistant says."


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
                text = _fill(tokenizer, turns, add_generation_prompt=True)
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


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The special token with which the chat template ends what the assistant says; None where it writes none.

    It is what the model ends a reply with, and not always the tokenizer's end token: Llama 3 was first published with
    `<|end_of_text|>` there, and never writes it.
    """
    if tokenizer.chat_template is None:
        return None
    turns = [{"role": "user", "content": "What somebody asks."}, {"role": "assistant", "content": _REPLY}]
    try:
        with _in_time():
            text = _fill(tokenizer, turns)
    except Exception:  # noqa: BLE001 - it may refuse such a conversation; all else is said where prompts are written
        return None
    _, _, after = text.rpartition(_REPLY)
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return min((token for token in special if token in after), key=after.index, default=None)


def dated(template: str) -> str:
    """A chat template that writes the same day every day: what a pair is to a model may not depend on when it is."""
    return _DAY + template if "strftime_now" in template else template


def _fill(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], **options: Any) -> str:
    template = dated(tokenizer.get_chat_template())
    return str(tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, **options))
