"""A pair: one prompt and two responses, its identity, and the canonical form of a prompt."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Pair:
    """What a stage may know of a pair: its identity and its texts, never a label.

    `prompt` is the canonical JSON list of chat messages that `canonical_prompt` returns.
    """

    pair_id: str
    prompt: str
    response_a: str
    response_b: str


def keyed_hash(key: str, *parts: str) -> str:
    """64 hex characters that depend on `key` and every part, with unambiguous boundaries between them."""
    digest = hashlib.sha256(key.encode())
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def unit_interval(key: str, *parts: str) -> float:
    """A number in [0, 1) that depends on `key` and `parts` only: a draw that is the same for ever."""
    return int(keyed_hash(key, *parts)[:13], 16) / 16**13


def canonical_prompt(prompt: str | Sequence[Mapping[str, str]]) -> str:
    """The canonical JSON of a prompt: a list of `{"role", "content"}` messages with stripped contents.

    A string is one user message, or, when it is an HH-style transcript (`\\n\\nHuman: … \\n\\nAssistant:`), its turns.

    Raises:
        ValueError: the prompt is empty, has an unknown role, or does not end where an assistant should answer.
    """
    messages = _transcript(prompt) if isinstance(prompt, str) else [dict(message) for message in prompt]
    canonical = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES:
            raise ValueError(f"prompt has a message with role {role!r}; allowed are {', '.join(_ROLES)}")
        if not isinstance(content, str) or not content.strip():
            raise ValueError("prompt has a message without text" if len(messages) > 1 else "prompt is empty")
        canonical.append({"role": role, "content": content.strip()})
    if not canonical:
        raise ValueError("prompt is empty")
    if canonical[-1]["role"] != "user":
        raise ValueError("prompt does not end with a user message, so there is nothing to respond to")
    return json.dumps(canonical, ensure_ascii=False, separators=(",", ":"))


def prompt_messages(prompt: str) -> list[dict[str, str]]:
    """The chat messages of a canonical prompt."""
    return json.loads(prompt)


def readable_prompt(prompt: str) -> str:
    """A canonical prompt as a person reads it: the plain text of a single message, else one line per turn."""
    messages = prompt_messages(prompt)
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in messages)


def pair_id(prompt: str, one: str, other: str) -> str:
    """The identity of a pair: 24 hex characters over the canonical prompt and the two responses, sorted."""
    return keyed_hash("pair", prompt, *sorted((one, other)))[:24]


def ordered(identity: str, one: str, other: str) -> tuple[str, str]:
    """`(response_a, response_b)`: which response is `a` is decided by the pair's identity, never by a label."""
    first, second = sorted((one, other))
    return (first, second) if int(keyed_hash("order", identity)[0], 16) % 2 == 0 else (second, first)


def _transcript(text: str) -> list[dict[str, str]]:
    """The messages of a string prompt."""
    parts = _TURN.split("\n\n" + text.strip())
    if len(parts) < 3 or parts[0].strip() or parts[1] != "Human":
        return [{"role": "user", "content": text}]
    names, contents = parts[1::2], parts[2::2]
    if names[-1] == "Assistant" and not contents[-1].strip():
        names, contents = names[:-1], contents[:-1]
    return [
        {"role": "user" if name == "Human" else "assistant", "content": content}
        for name, content in zip(names, contents, strict=True)
    ]


def longer_wins(response_a: str, response_b: str, preferred: str) -> float:
    """Whether the response with more characters is the preferred one: 1 or 0, and a half where both have as many."""
    chosen, rejected = (response_a, response_b) if preferred == "a" else (response_b, response_a)
    return 0.5 if len(chosen) == len(rejected) else float(len(chosen) > len(rejected))
