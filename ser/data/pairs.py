"""A pair: one prompt and two responses, its identity, and the canonical form of a prompt."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring

_ROLES = ("system", "user", "assistant")
_TURNS = re.compile(r"\n\n(Human|Assistant):")
_CLOSE_TURNS = re.compile(r"\n(Human|Assistant):")
_NAMES = {"Human": "user", "Assistant": "assistant"}
_SPACES = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_BETWEEN_MESSAGES = '},{"role":"'
"""In a canonical prompt; quotes inside a text are escaped, so that it stands nowhere else."""
_NOTHING_SEEN = "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2800\ufeff" + _SPACES
"""What a text may hold without anything to be seen; alone it is as good as empty."""


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
    messages = _asked(prompt) if isinstance(prompt, str) else prompt
    canonical, last = [], None
    for message in messages:
        last, content = message.get("role"), message.get("content")
        if last not in _ROLES:
            raise ValueError(f"the prompt has a message with role {last!r}; allowed are {', '.join(_ROLES)}")
        if not isinstance(content, str) or is_empty(content := content.strip()):
            raise ValueError("the prompt has a message without text" if len(messages) > 1 else "the prompt is empty")
        canonical.append(f'{{"role":"{last}","content":{encode_basestring(content)}}}')
    if last is None:
        raise ValueError("the prompt is empty")
    if last == "assistant":
        raise ValueError(
            "the prompt ends with a message of the assistant: put it at the beginning of both responses or leave it out"
        )
    if last == "system":
        raise ValueError("the prompt ends with a system message: there is nothing to respond to")
    return f"[{','.join(canonical)}]"


def dialogue(prompt: str) -> str:
    """The canonical JSON of a canonical prompt's messages up to its first of the user: what its dialogue began with."""
    end = prompt.find(_BETWEEN_MESSAGES, prompt.find('{"role":"user"'))
    return prompt if end < 0 else f"{prompt[: end + 1]}]"


def number_of_messages(prompt: str) -> int:
    """How many messages a canonical prompt has."""
    return prompt.count(_BETWEEN_MESSAGES) + 1


def transcript(text: str) -> list[dict[str, str]] | None:
    """The turns of an HH-style transcript; those of one line each may follow without a blank line. Else None.

    An answer that is still to be given (`Assistant:` at the end) is no turn.
    """
    text = text.strip()
    if not text.startswith("Human:"):
        return None
    parts = _TURNS.split(f"\n\n{text}")
    if len(parts) == 3:
        parts = _CLOSE_TURNS.split(f"\n{text}")
    names, contents = parts[1::2], parts[2::2]
    if names[-1] == "Assistant" and not contents[-1].strip():
        names, contents = names[:-1], contents[:-1]
    return [{"role": _NAMES[name], "content": content.strip()} for name, content in zip(names, contents, strict=True)]


def is_empty(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    return not text.strip(_NOTHING_SEEN)


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


def _asked(text: str) -> list[dict[str, str]]:
    """The messages of a string prompt."""
    return transcript(text) or [{"role": "user", "content": text}]


def hard_target(preferred: str) -> float:
    """The target of a label that is taken as certain: the probability, 0 or 1, that response a is the better one."""
    return float(preferred == "a")


def longer_wins(response_a: str, response_b: str, preferred: str) -> float:
    """Whether the response with more characters is the preferred one: 1 or 0, and a half where both have as many."""
    chosen, rejected = (response_a, response_b) if preferred == "a" else (response_b, response_a)
    return 0.5 if len(chosen) == len(rejected) else float(len(chosen) > len(rejected))
