"""Chat messages as people publish them, as plain messages: the roles system, user and assistant, and a text."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from resources.landing.comparison import quoted

Message = dict[str, str]

_ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt"), "assistant"),
}
_TOOLS = frozenset(
    ("tool", "tools", "function", "function_call", "function-call", "function_response", "observation", "ipython")
)
_TOOL_CALLS = ("tool_calls", "function_call", "tool_call_id")
_NO_TOOLS = "tool calls are not supported"
_REPR = re.compile(r"\[?\s*\{\s*'(?:role|content|from|value)'\s*:|\[\s*\{\s*'\w+'\s*:[^\n]*'(?:role|from)'\s*:")


def is_message(value: Any) -> bool:
    """Whether a value is one chat message."""
    return isinstance(value, Mapping) and (
        ("role" in value and "content" in value) or ("from" in value and "value" in value)
    )


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of chat messages."""
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def plain_messages(messages: Sequence[Any], where: str) -> list[Message]:
    """The messages with our roles and their texts.

    Args:
        where: the column that they stand in.

    Raises:
        ValueError: there is something in them that is no text; the message names it.
    """
    return [
        message
        if type(message) is dict
        and len(message) == 2
        and type(message.get("content")) is str
        and message.get("role") in _PLAIN_ROLES
        else _plain(message, where)
        for message in messages
    ]


_PLAIN_ROLES = ("user", "assistant", "system")


def written_value(text: str, where: str) -> Any:
    """What a cell of a table stands for: messages, or a list of texts, written as JSON; any other text is itself.

    Raises:
        ValueError: it holds messages as Python writes them.
    """
    start = text.lstrip()[:1]
    if start not in ("[", "{"):
        return text
    if _REPR.match(text.lstrip()):
        raise ValueError(f"{where!r} holds a list as Python writes it, which is not JSON: save it with json.dumps")
    if "content" not in text and "value" not in text:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if is_conversation(value) or is_message(value) else text


def _plain(message: Any, where: str) -> Message:
    if not is_message(message):
        if isinstance(message, Mapping) and any(message.get(name) for name in _TOOL_CALLS):
            raise ValueError(_NO_TOOLS)
        raise ValueError(f"{where!r} is no list of messages with 'role' and 'content'")
    role = message["role"] if "role" in message else message["from"]
    name = role.strip().lower() if isinstance(role, str) else ""
    if name in _TOOLS or any(message.get(call) for call in _TOOL_CALLS):
        raise ValueError(_NO_TOOLS)
    known = _ROLES.get(name)
    if known is None:
        raise ValueError(f"{where!r} has a message of the unknown role {quoted(role)}")
    return {"role": known, "content": _text(message["content"] if "content" in message else message["value"], where)}


def _text(content: Any, where: str) -> str:
    """The text of a message; its parts, if it has several, are joined with a line break."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise ValueError(f"{where!r} has a message whose content is no text but {type(content).__name__!r}")
    return "\n".join(_part(part, where) for part in content)


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    word = next((word for word in ("image", "audio", "video", "file", "tool") if word in str(kind)), None)
    if word == "tool":
        raise ValueError(_NO_TOOLS)
    if word:
        raise ValueError(f"{word} parts are not supported: only text is")
    raise ValueError(f"{where!r} has a message with a part that is no text: {quoted(kind)}")
