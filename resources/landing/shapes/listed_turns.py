"""Lists of texts, as tables hold them: the turns of a person in one column, those of each model in others."""

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from resources.landing.shapes.messages import Message

_PYTHON_LIST = ("['", "[None,")


def is_listed(text: str) -> bool:
    """Whether a text looks like a list of texts; cheap, and often wrong."""
    return text.lstrip()[:1] == "[" and text.rstrip()[-1:] == "]"


def listed(text: str) -> list[str | None] | None:
    """The texts of a list that is written as JSON; None: it is no such list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ok = isinstance(value, list) and value and all(item is None or isinstance(item, str) for item in value)
    return value if ok else None


def is_listed_answer(text: str) -> bool:
    """Whether a text is a list of texts, as JSON or Python write it."""
    return text.lstrip().startswith(_PYTHON_LIST) or listed(text) is not None


def in_turns(prompts: Sequence[Any], answers: Sequence[Any]) -> list[Message]:
    """The conversation of a person's turns and a model's."""
    messages = []
    for prompt, answer in zip_longest(prompts, answers):
        messages += [{"role": "user", "content": prompt or ""}, {"role": "assistant", "content": answer or ""}]
    return messages


def listed_turns(prompt: str, one: str, other: str) -> tuple[list[Message], list[Message]] | None:
    """The two conversations of three lists of equal length, the turns of the person and of each model.

    Raises:
        ValueError: all three are lists, some of them as Python writes them.
    """
    texts = (prompt, one, other)
    prompts, answers, others = (listed(text) for text in texts)
    if prompts and answers and others:
        same = len(prompts) == len(answers) == len(others)
        return (in_turns(prompts, answers), in_turns(prompts, others)) if same else None
    if any(text.lstrip().startswith(_PYTHON_LIST) for text in texts) and all(map(is_listed, texts)):
        raise ValueError("the columns hold lists as Python writes them, which is not JSON: save them with json.dumps")
    return None
