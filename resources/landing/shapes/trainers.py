"""What trainers read: `history` of LLaMA-Factory and ms-swift, `messages` with a second answer, OpenAI's `input`."""

from collections.abc import Iterable, Mapping
from typing import Any

from resources.landing.shapes.labels import NAMES
from resources.landing.shapes.messages import plain_messages, written_value
from resources.landing.shapes.shape import Fields


def with_history(row: Fields) -> Iterable[Fields]:
    """An instruction or query after earlier rounds, each a question and an answer; a text alone is the prompt."""
    asked = [row[name].strip() for name in ("instruction", "query", "prompt", "input") if _has_text(row.get(name))]
    history = written_value(row["history"], "history") if isinstance(row["history"], str) else row["history"]
    if isinstance(history, str) and not asked:
        return [{"prompt": history}]
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise ValueError("'history' is no list of rounds, each a question and an answer")
    earlier = [
        {"role": role, "content": str(text)}
        for turn in history
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return [{"prompt": [*earlier, {"role": "user", "content": "\n\n".join(asked)}]}]


def openai(row: Fields) -> Iterable[Fields]:
    """OpenAI and Azure: the messages stand inside `input`, beside the tools that the model could call."""
    asked = row["input"]
    if not isinstance(asked, Mapping) or "messages" not in asked:
        raise ValueError("'input' has no 'messages'")
    if asked.get("tools"):
        raise ValueError("tool calls are not supported")
    return [{"prompt": asked["messages"], "chosen": row["preferred_output"], "rejected": row["non_preferred_output"]}]


def outputs(row: Fields) -> Iterable[Fields]:
    """LLaMA-Factory's older form: a list of the better and the worse output."""
    both = row["output"]
    if not isinstance(both, list) or len(both) != 2 or not all(isinstance(text, str) for text in both):
        raise ValueError(
            "'output' is no list of two texts: nothing to compare; if another column has the other response, name "
            "both, --map chosen=COLUMN,rejected=COLUMN"
        )
    if label := next((name for name in NAMES if row.get(name) is not None), None):
        raise ValueError(
            f"two outputs are read as better and worse, and {label!r} may say otherwise: give them as response_a, "
            "response_b and preferred"
        )
    return [{"chosen": both[0], "rejected": both[1]}]


def second_answer(row: Fields) -> Iterable[Fields]:
    """ms-swift: a conversation that ends with the better answer, and the other one (or the other conversation)."""
    messages = _messages(row["messages"], "messages")
    if "rejected_messages" in row:
        return [
            {"prompt": None, "chosen": messages, "rejected": _messages(row["rejected_messages"], "rejected_messages")}
        ]
    if messages[-1]["role"] != "assistant":
        raise ValueError("'messages' does not end with an answer of the assistant: nothing to compare")
    return [{"prompt": messages[:-1], "chosen": messages[-1:], "rejected": row["rejected_response"]}]


def _messages(value: Any, column: str) -> list[dict[str, str]]:
    value = written_value(value, column) if isinstance(value, str) else value
    if not isinstance(value, list) or not value:
        raise ValueError(f"{column!r} is no list of messages with 'role' and 'content'")
    return plain_messages(value, column)


def _has_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
