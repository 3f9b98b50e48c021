"""A row of a landed file: from what the file says to a checked pair with its label, or the reason why not."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ser.pairs import Pair, canonical_prompt, ordered, pair_id
from ser.roles import LABEL_ROLES, ROLES

JUDGE = "judge"
"""The annotator whose labels train the judge of the policies; they are never human labels."""

KNOWN_FIELDS = frozenset(
    (
        "prompt",
        "chosen",
        "rejected",
        "response_a",
        "response_b",
        "preferred",
        "group",
        "source",
        "annotator",
        "role",
    )
)
"""Every other column (also `id`) is metadata."""


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row. `preferred` is `a` or `b` of `pair`, not of the file; `annotator` is "" if not named."""

    pair: Pair
    preferred: str | None
    annotator: str
    source: str | None
    group: str | None
    role: str | None
    metadata: str
    """The other columns, as a JSON object."""


def parse_row(fields: Mapping[str, Any]) -> Row | str:
    """The row that `fields` (column to value; None and NaN are missing) describe, or why there is none."""
    present = {name: value for name, value in fields.items() if not _missing(value)}
    try:
        one, other, first = _responses(present)
        prompt = _prompt(present.get("prompt"))
        annotator = _name(present, "annotator") or ""
        source, group, role = (_name(present, name) for name in ("source", "group", "role"))
        _check_role(role, first is not None)
        rest = {name: value for name, value in sorted(present.items()) if name not in KNOWN_FIELDS}
        metadata = json.dumps(rest, default=str)
    except ValueError as problem:
        return str(problem)
    except RecursionError:
        return "a column is nested too deeply"
    identity = pair_id(prompt, one, other)
    a, b = ordered(identity, one, other)
    preferred = None if first is None else "a" if (one if first else other) == a else "b"
    if preferred and annotator == JUDGE:
        role = None  # a judge's label never decides what a pair is used for
    return Row(Pair(identity, prompt, a, b), preferred, annotator, source, group, role, metadata)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _responses(fields: Mapping[str, Any]) -> tuple[str, str, bool | None]:
    """The two responses, and whether the first is preferred (None: no label)."""
    label = fields.get("preferred")
    if isinstance(label, str) and not label.strip():
        label = None
    by_label = [name for name in ("chosen", "rejected") if name in fields]
    by_letter = [name for name in ("response_a", "response_b") if name in fields]
    if by_label and (by_letter or label is not None):
        extra = by_letter[0] if by_letter else "preferred"
        raise ValueError(f"has both {by_label[0]!r} and {extra!r}, which belong to two different forms")
    names = ("response_a", "response_b") if by_letter else ("chosen", "rejected")
    if not by_label and not by_letter:
        raise ValueError("missing fields 'chosen' and 'rejected' (or 'response_a' and 'response_b')")
    one, other = (_response(fields, name) for name in names)
    if one == other:
        raise ValueError(f"{names[0]} and {names[1]} are equal")
    if by_label:
        return one, other, True
    if label is None:
        return one, other, None
    if not isinstance(label, str) or label.strip() not in ("a", "b"):
        raise ValueError(f"preferred is {_short(label)}; allowed are a, b or empty")
    return one, other, label.strip() == "a"


def _response(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise ValueError(f"missing field {name!r}")
    if not isinstance(value, str):
        raise ValueError(f"{name} has the wrong type {type(value).__name__}; it must be text")
    text = _decodable(name, value).strip()
    if not text:
        raise ValueError(f"{name} is empty")
    return text


def _prompt(value: Any) -> str:
    """The canonical prompt of a string, of a list of messages, or of such a list written as JSON."""
    if value is None:
        raise ValueError("missing field 'prompt'")
    messages = _messages(value) if isinstance(value, str) else value
    if isinstance(messages, str):
        return canonical_prompt(_decodable("prompt", messages))
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        raise ValueError(f"prompt has the wrong type {type(value).__name__}; it must be text or a list of messages")
    for message in messages:
        if isinstance(message.get("content"), str):
            _decodable("prompt", message["content"])
    return canonical_prompt(messages)


def _messages(text: str) -> str | list[dict[str, Any]]:
    """Chat messages written as JSON in a string, as a CSV must have them; any other string as it is."""
    if not text.lstrip().startswith("["):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    chat = isinstance(value, list) and all(isinstance(m, dict) and {"role", "content"} <= m.keys() for m in value)
    return value if chat and value else text


def _name(fields: Mapping[str, Any], name: str) -> str | None:
    """A short optional text; whole numbers are taken as their digits, as a CSV would hold them."""
    value = fields.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} has the wrong type {type(value).__name__}; it must be text")
    return _decodable(name, value).strip() or None


def _check_role(role: str | None, labelled: bool) -> None:
    if role is None:
        return
    if role not in ROLES:
        raise ValueError(f"role {_short(role)} is unknown; allowed are {', '.join(ROLES)}")
    if role in LABEL_ROLES and not labelled:
        raise ValueError(f"role {role!r} needs a label, and the row has none")


def _decodable(name: str, text: str) -> str:
    """`text`, if it is what a file can hold as UTF-8 and a model can read."""
    if "\0" in text:
        raise ValueError(f"{name} is undecodable: it has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is undecodable: no valid text at character {error.start}") from error
    return text


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
