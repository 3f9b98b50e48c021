"""Two models in one conversation each with a person, who says which was better (Chatbot Arena, MT-bench)."""

from collections.abc import Iterable
from math import inf
from typing import Any

from resources.landing.shapes.labels import TIE, word_of
from resources.landing.shapes.listed_turns import in_turns, listed
from resources.landing.shapes.messages import plain_messages, written_value
from resources.landing.shapes.shape import Fields


def arena(row: Fields) -> Iterable[Fields]:
    """Two conversations up to the turn that was judged, where `turn` says so."""
    turn = row.get("turn")
    turns = int(turn) if isinstance(turn, (int, float)) and 1 <= turn < inf else None
    return [{name: _turns(row[column], column, turns) for name, column in _SIDES.items()}]


def kaggle(row: Fields) -> Iterable[Fields]:
    """The 55k form: prompts and responses as JSON lists in strings, and a column for each outcome."""
    prompts, one, other = (_list(row[name], name) for name in ("prompt", "response_a", "response_b"))
    said = {side: word_of(row.get(name)) for side, name in _OUTCOMES.items()}
    outcome = [side for side, word in said.items() if word in _YES]
    if len(outcome) > 1 or not set(said.values()) <= {*_YES, *_NO}:
        raise ValueError("the columns winner_model_a, winner_model_b and winner_tie name no one outcome: write 0 and 1")
    return [
        {
            "prompt": None,
            "response_a": in_turns(prompts, one),
            "response_b": in_turns(prompts, other),
            "preferred": outcome[0] if len(outcome) == 1 else None,
        }
    ]


OUTCOME_COLUMNS = frozenset(("winner_model_a", "winner_model_b", "winner_tie"))
_YES, _NO = ("1", "true"), ("0", "false", "none", "")
_OUTCOMES = {"a": "winner_model_a", "b": "winner_model_b", TIE: "winner_tie"}
_SIDES = {"response_a": "conversation_a", "response_b": "conversation_b"}


def _turns(conversation: Any, column: str, turns: int | None) -> list[dict[str, str]]:
    if isinstance(conversation, str):
        conversation = written_value(conversation, column)
    if not isinstance(conversation, list) or not conversation:
        raise ValueError(f"{column!r} is no list of messages with 'role' and 'content'")
    messages = plain_messages(conversation, column)
    asked = [place for place, message in enumerate(messages) if message["role"] == "user"]
    return messages[: asked[turns]] if turns and turns < len(asked) else messages


def _list(value: Any, column: str) -> list[Any]:
    """A list of strings that is written as JSON; plain text is a list of one."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{column!r} has the wrong type {type(value).__name__!r}; it must be text")
    return listed(value) or [value]
