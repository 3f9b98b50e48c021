"""From a prompt and two responses, each as text, messages or transcript, to one prompt and two texts."""

from collections.abc import Callable
from typing import Any

from resources.landing.comparison import Comparison
from resources.landing.shapes.beginnings import repeats, shared_beginning
from resources.landing.shapes.listed_turns import is_listed, is_listed_answer, listed_turns
from resources.landing.shapes.messages import Message, is_message, plain_messages, written_value
from resources.landing.shapes.templates import (
    END_TOKENS,
    FIRST_OF_NAMES,
    MARK,
    begins_with_names,
    marked_messages,
    templated_messages,
    without_end,
)
from ser.data.pairs import is_empty, transcript

STANDARD, CONVERSATIONAL, TRANSCRIPTS = "standard", "conversational", "as transcripts"
EXPLICIT = ""
FROM_TURNS = ", prompt taken from the shared turns"
FROM_BEGINNING = ", prompt taken from the shared beginning"
FROM_LISTS = ", lists of texts as turns"

REPEATED = "the prompt repeated in the responses was taken off"
ENDS_TAKEN_OFF = "tokens that end a turn were taken off the end of responses"
TEMPLATE_PARSED = "text in a chat template was parsed into messages"
NAMES_KEPT = "texts that begin with a name of a turn (### Instruction:, USER:) were kept as they are"
LISTS_KEPT = (
    "responses that are lists of texts, written as one text, were kept as they are: if they are several responses, "
    "give them as lists (JSON lines, parquet)"
)
NO_TEXTS = "responses that say only nan, null or None were kept as they are"
TURNS_JOINED = (
    "conversations that differ before their last answer: the turns that differ became one text, with their names"
)
PROMPT_IGNORED = "a column 'prompt' that is none of the shared turns was not read"


def settle(said: Comparison, system: Any, notes: set[str], other_prompt: Callable[[], str | None]) -> tuple[str, str]:
    """Bring the prompt and the responses of a row into the form that is checked: messages or a text, and two texts.

    Args:
        other_prompt: says why the beginning that two texts share cannot be the prompt, if it cannot.

    Returns:
        What the responses were read as, and where the prompt was taken from.

    Raises:
        ValueError: the row does not say what the two responses answer; the message is the reason.
    """
    prompt = _said(said.prompt, "prompt", notes)
    one, other = _said(said.one, said.names[0], notes), _said(said.other, said.names[1], notes)
    if isinstance(one, str) and isinstance(other, str):
        if len(one) < 5 or len(other) < 5:
            notes.update(NO_TEXTS for text in (one, other) if text.strip().lower() in ("nan", "null", "none"))
        form, origin = _settle_lists(said, prompt, one, other, notes) or _settle_texts(
            said, prompt, one, other, notes, other_prompt
        )
    elif one is None or other is None:
        raise ValueError(f"no {said.names[one is not None]!r}: nothing to compare")
    else:
        form, origin = CONVERSATIONAL, _settle_messages(said, prompt, _listed(one), _listed(other), notes)
    if system is not None:
        _put_system(said, _said(system, "system", notes))
    return form, origin


def _said(value: Any, where: str, notes: set[str]) -> str | list[Message] | None:
    """A value as a text or as plain messages."""
    if isinstance(value, str):
        return _text(value, where, notes)
    if isinstance(value, list):
        return _without_empty_system(plain_messages(value, where))
    if value is None:
        return None
    if is_message(value):
        return plain_messages([value], where)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where!r} has the wrong type {type(value).__name__!r}; it must be text or messages")
    return str(value)


def _text(text: str, where: str, notes: set[str]) -> str | list[Message] | None:
    value = written_value(text, where)
    if not isinstance(value, str):
        return plain_messages(value if isinstance(value, list) else [value], where)
    messages = templated_messages(text)
    if messages or (where == "prompt" and MARK in text and (messages := marked_messages(text))):
        notes.add(TEMPLATE_PARSED)
        return _without_empty_system(messages)
    if text[:1] in FIRST_OF_NAMES and begins_with_names(text):
        notes.add(NAMES_KEPT)
    if where != "prompt" and text.rstrip().endswith(END_TOKENS):
        notes.add(ENDS_TAKEN_OFF)
        return without_end(text)
    return text


def _without_empty_system(messages: list[Message]) -> list[Message] | None:
    """The messages, if there are any, without a system message that says nothing."""
    if messages and messages[0]["role"] == "system" and is_empty(messages[0]["content"]):
        messages = messages[1:]
    return messages or None


def _settle_lists(
    said: Comparison, prompt: str | list[Message] | None, one: str, other: str, notes: set[str]
) -> tuple[str, str] | None:
    """Settle lists of texts that are written as text: turns, where the prompt is such a list too."""
    if not (is_listed(one) and is_listed(other)):
        return None
    if isinstance(prompt, str) and is_listed(prompt) and (turns := listed_turns(prompt, one, other)):
        _settle_messages(said, None, *turns, notes)
        return CONVERSATIONAL, FROM_LISTS
    if is_listed_answer(one) and is_listed_answer(other):
        notes.add(LISTS_KEPT)
    return None


def _listed(said: str | list[Message]) -> list[Message]:
    return [{"role": "assistant", "content": said}] if isinstance(said, str) else said


def _settle_texts(
    said: Comparison,
    prompt: str | list[Message] | None,
    one: str,
    other: str,
    notes: set[str],
    other_prompt: Callable[[], str | None],
) -> tuple[str, str]:
    """Settle two texts, which may be transcripts, begin with the prompt, or hold it as their shared beginning."""
    if "Human:" in one[:12] and "Human:" in other[:12] and (turns := _transcripts(one, other)):
        return TRANSCRIPTS, _settle_messages(said, prompt, *turns, notes)
    origin = EXPLICIT
    if prompt is None:
        if reason := other_prompt():
            raise ValueError(reason)
        prompt, origin = shared_beginning(one, other), FROM_BEGINNING
        one, other = (text.strip()[len(prompt) :] for text in (one, other))
    elif isinstance(prompt, str) and is_empty(prompt):
        raise ValueError("the prompt is empty")
    elif isinstance(prompt, str) and repeats(prompt.strip(), one.strip(), other.strip()):
        notes.add(REPEATED)
        one, other = (text.strip()[len(prompt.strip()) :] for text in (one, other))
    said.prompt, said.one, said.other = prompt, one, other
    return STANDARD, origin


def _transcripts(one: str, other: str) -> tuple[list[Message], list[Message]] | None:
    """The turns of two transcripts with answers."""
    turns = transcript(one), transcript(other)
    if turns[0] and turns[1] and all(any(turn["role"] == "assistant" for turn in each) for each in turns if each):
        return turns[0], turns[1]
    return None


def _settle_messages(
    said: Comparison,
    prompt: str | list[Message] | None,
    one: list[Message],
    other: list[Message],
    notes: set[str],
) -> str:
    """Settle two conversations; the prompt stands before them, in them, or both."""
    asked = (transcript(prompt) if isinstance(prompt, str) else None) or prompt
    whole = one[0]["role"] != "assistant" and other[0]["role"] != "assistant"
    if isinstance(asked, str) and not whole and not is_empty(asked):
        asked = [{"role": "user", "content": asked}]
    if isinstance(asked, list):
        one, other = _after(asked, one), _after(asked, other)
    said.prompt, said.one, said.other = _shared_turns(one, other, notes)
    if (
        isinstance(asked, str)
        and not is_empty(asked)
        and not any(_same_text(turn["content"], asked) for turn in said.prompt)
    ):
        notes.add(PROMPT_IGNORED)
    return FROM_TURNS if whole else EXPLICIT


def _after(prompt: list[Message], turns: list[Message]) -> list[Message]:
    """The whole conversation of a prompt and what follows it, which may begin with the prompt once more."""
    if turns[0]["role"] == "assistant":
        return [*prompt, *turns]
    system, asked = _apart(prompt)
    other_system, said = _apart(turns)
    if len(said) <= len(asked) or not all(map(_same, asked, said)):
        raise ValueError("the conversations of the two responses do not begin with the prompt")
    if system and other_system and not _same(system[-1], other_system[-1]):
        raise ValueError("the conversations of the two responses have another system message than the prompt")
    return [*(system or other_system), *said]


def _apart(turns: list[Message]) -> tuple[list[Message], list[Message]]:
    """The system message at the beginning, if there is one, and the others."""
    return (turns[:1], turns[1:]) if turns[0]["role"] == "system" else ([], turns)


def _shared_turns(one: list[Message], other: list[Message], notes: set[str]) -> tuple[list[Message], str, str]:
    """The turns that two conversations share, up to the last of the user before they differ, and what follows."""
    shared = 0
    while shared < min(len(one), len(other)) - 1 and _same(one[shared], other[shared]):
        shared += 1
    if shared and len(one) == len(other) == shared + 1 and one[-1]["role"] == other[-1]["role"] == "assistant":
        return one[:-1], one[-1]["content"], other[-1]["content"]
    while shared and one[shared - 1]["role"] != "user":
        shared -= 1
    if not shared:
        raise ValueError("the two conversations share no turn of the user: there is no prompt")
    notes.add(TURNS_JOINED)
    return one[:shared], _joined(one[shared:]), _joined(other[shared:])


def _joined(turns: list[Message]) -> str:
    """Turns as one text: an answer, then each further turn under its name."""
    if turns[0]["role"] != "assistant" or turns[-1]["role"] != "assistant":
        raise ValueError("two conversations that differ in more than answers of the assistant: nothing to compare")
    answer, *others = turns
    return "\n\n".join(
        [answer["content"].strip(), *(f"{turn['role'].capitalize()}: {turn['content'].strip()}" for turn in others)]
    )


def _put_system(said: Comparison, system: str | list[Message] | None) -> None:
    """Make the text of a column `system` the system message of the prompt."""
    if isinstance(system, list):
        system = system[0]["content"]
    if system is None or is_empty(system):
        return
    prompt = said.prompt
    if isinstance(prompt, str):
        prompt = transcript(prompt) or [{"role": "user", "content": prompt}]
    if prompt[0]["role"] != "system":
        said.prompt = [{"role": "system", "content": system}, *prompt]
    elif not _same_text(prompt[0]["content"], system):
        raise ValueError("the column 'system' and the system message of the prompt differ")


def _same(one: Message, other: Message) -> bool:
    return one == other or (one["role"] == other["role"] and _same_text(one["content"], other["content"]))


def _same_text(one: str, other: str) -> bool:
    return one == other or one.strip() == other.strip()
