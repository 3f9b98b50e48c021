"""A checked row: a pair with its label and what is known about it, or the reason why there is none."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ser.data.pairs import Pair, canonical_prompt, is_empty, number_of_messages, ordered, pair_id
from ser.data.roles import ASKED_ROLES, LABEL_ROLES, ROLES

JUDGE = "judge"
"""The annotator whose labels train the judge of the policies; they are never human labels."""

MAX_TEXT = 10**6
"""Bytes of a prompt or a response beyond which no model could be meant for it; and of all other columns of a row."""
MAX_MESSAGES = 1000
"""Messages of a prompt, likewise."""
_MAX_NAME, _NAME_HEAD = 1000, 200
"""Characters of a name beyond which it becomes its beginning and a digest."""

_ANY = ("utf-8", "surrogatepass")
_METADATA = json.JSONEncoder(default=str, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row. `preferred` is `a` or `b` of `pair`, not of the file; `annotator` is "" if not named."""

    pair: Pair
    preferred: str | None
    annotator: str
    source: str | None
    group: str | None
    role: str | None
    """One of our roles, or `train`, which leaves seed or pool to the draw; None: not asked for."""
    metadata: str
    """The other columns, as a JSON object."""


@dataclass(slots=True)
class Comparison:
    """What a row says about two responses, not checked yet.

    `prompt` is a text or a list of messages with the roles system, user and assistant. `first` says whether `one` is
    the better response, None: it has no label. `names` are the columns of the responses, for the reasons.
    """

    prompt: Any
    one: Any
    other: Any
    first: bool | None = None
    names: tuple[str, str] = ("chosen", "rejected")
    annotator: Any = None
    source: Any = None
    group: Any = None
    role: Any = None


def check_row(said: Comparison, metadata: Mapping[str, Any]) -> Row:
    """The row of a comparison.

    Raises:
        ValueError: there is none; the message is the reason.
    """
    one, other = text_of(said.names[0], said.one), text_of(said.names[1], said.other)
    if one == other:
        raise ValueError("equal responses")
    first = said.first
    try:
        prompt = canonical_prompt(said.prompt)
        _check_size("prompt", prompt)
        if (messages := number_of_messages(prompt)) > MAX_MESSAGES:
            raise ValueError(f"a prompt of {messages} messages: no model could be meant for it")
        identity = pair_id(prompt, one, other)
    except UnicodeEncodeError as error:
        raise ValueError("no valid text: it has half of a character (a lone surrogate)") from error
    if "\\u0000" in prompt or "\0" in one or "\0" in other:
        _refuse_nul(prompt, one, other, said.names)
    role = asked_role(said.role, first is not None)
    annotator = name_of("annotator", said.annotator) or ""
    a, b = ordered(identity, one, other)
    preferred = None if first is None else "a" if (one if first else other) == a else "b"
    if preferred and annotator == JUDGE:
        role = None  # a judge's label never decides what a pair is used for
    source, group = name_of("source", said.source), name_of("group", said.group)
    return Row(Pair(identity, prompt, a, b), preferred, annotator, source, group, role, _json(metadata))


def text_of(name: str, value: Any) -> str:
    """A response as a text without white space around it; a number is the text that it is written with.

    Raises:
        ValueError: it is empty, no text, or too long for any model.
    """
    if not isinstance(value, str):
        if value is None:
            raise ValueError(f"no {name!r}: nothing to compare")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name!r} has the wrong type {type(value).__name__!r}; it must be text or messages")
        value = str(value)
    text = value.strip()
    if is_empty(text):
        raise ValueError(f"{name!r} is empty")
    _check_size("response", text)
    return text


def name_of(column: str, value: Any) -> str | None:
    """A short optional text; whole numbers are taken as their digits, as a CSV would hold them.

    Raises:
        ValueError: it is no text and no number.
    """
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{column!r} has the wrong type {type(value).__name__!r}; it must be text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{column!r} is no valid text: it has half of a character") from error
    if "\0" in value:
        raise ValueError(f"{column!r} has a NUL character")
    name = value.strip()
    if len(name) > _MAX_NAME:  # a group may be named by a whole document
        return f"{name[:_NAME_HEAD]}… {hashlib.sha256(name.encode()).hexdigest()}"
    return name or None


def quoted(value: Any, length: int = 40) -> str:
    """What a file says, short and in plain quotes, so that reasons which differ only in it can be counted as one."""
    shown = (sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(value)[:length] if sign not in "'\"")
    return f"'{''.join(shown)}'"


def asked_role(value: Any, labelled: bool) -> str | None:
    """What a row, or a command, asks to be used for.

    Raises:
        ValueError: there is no such role, or it needs a label.
    """
    name = name_of("role", value)
    if name is None:
        return None
    role = ASKED_ROLES.get(name.lower())
    if role is None:
        raise ValueError(
            f"role {quoted(name)} is unknown; allowed are {', '.join(ROLES)}, train and "
            "validation; --map role= reads none"
        )
    if role in LABEL_ROLES and not labelled:
        raise ValueError(f"role {role!r} needs a label, and the row has none")
    return role


def _check_size(what: str, text: str) -> None:
    if len(text) * 4 > MAX_TEXT and (size := len(text.encode("utf-8", "replace"))) > MAX_TEXT:
        raise ValueError(f"a {what} of {size} bytes: no model could be meant for it")


def _json(metadata: Mapping[str, Any]) -> str:
    if not metadata:
        return "{}"
    ordered_columns = dict(sorted(metadata.items()))
    try:
        try:
            text = _METADATA(ordered_columns)
        except ValueError:  # a number that JSON does not have
            text = _METADATA(_finite(ordered_columns))
    except RecursionError as error:
        raise ValueError("a column is nested too deeply") from error
    # What is beyond ASCII stands there as escapes, which are longer than it is.
    if (
        len(text) > MAX_TEXT
        and (size := len(json.dumps(json.loads(text), ensure_ascii=False).encode(*_ANY))) > MAX_TEXT
    ):
        raise ValueError(f"other columns of {size} bytes: leave out what says nothing about the pair")
    return text


def _finite(value: Any) -> Any:
    """A value without the numbers that JSON does not have: no number is null, and infinity is its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _refuse_nul(prompt: str, one: str, other: str, names: tuple[str, str]) -> None:
    """Say which text has a NUL character; an escaped backslash before `u0000` only looks like it."""
    for name, text in zip(names, (one, other), strict=True):
        if "\0" in text:
            raise ValueError(f"{name!r} has a NUL character")
    if any("\0" in message["content"] for message in json.loads(prompt)):
        raise ValueError("the prompt has a NUL character")
