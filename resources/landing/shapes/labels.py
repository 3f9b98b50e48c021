"""The words that files say in a label's column, and which columns look like one."""

import re
from collections.abc import Mapping
from typing import Any

from ser.rows import quoted

TIE = "tie"

NAMES = (
    *("preferred", "winner", "preference", "better", "label", "choice", "chosen", "selected", "best", "verdict"),
    *("preferred_response", "better_response", "best_response", "chosen_response", "winning_response", "judgment"),
    *("comparison", "pairwise", "pw"),
)
"""Columns that say which of two responses is better; the first that is there is read."""

_SIDES = {
    "a": ("a", "response_a", "response a", "answer_a", "output_a", "model_a", "conversation_a", "left"),
    "b": ("b", "response_b", "response b", "answer_b", "output_b", "model_b", "conversation_b", "right"),
    TIE: (
        *("tie", "ties", "tied", "both", "neither", "equal", "same", "draw", "none", "no preference", "bothbad"),
        *("tie (bothbad)", "both_bad", "both bad", "both_good", "both good", "tie (both good)", "tie (both bad)"),
    ),
}
_WORDS = {word: side for side, words in _SIDES.items() for word in words}
_NO_LABEL = frozenset(("", "null", "nan", "n/a", "na"))
_AMBIGUOUS = frozenset(("0", "1", "2", "-1", "true", "false", "yes", "no"))

_LOOKS = re.compile(
    r"(?:^|[_\W])(?:labels?|winners?|preferences?|preferred|prefers?|better|best|choices?|chosen|selected|selection"
    r"|verdict|judge?ments?|votes?|gold|target|ranks?|rankings?|rejected)(?:$|[_\W])"
)


_SCORES = re.compile(r"(?:^|[_\W])(?:scores?|ratings?|rewards?)(?:$|[_\W])")


def looks_like_score(column: str) -> bool:
    """Whether a column's name (in small letters) says that it may hold a score of a response."""
    return _SCORES.search(column) is not None


def looks_like_label(column: str) -> bool:
    """Whether a column's name (in small letters) says that it may hold a label."""
    return _LOOKS.search(column) is not None and not column.endswith("_id")


def words_beside(column_a: str, column_b: str) -> dict[str, str]:
    """What words mean beside two columns of responses: their own names too, and numbers where they are numbered."""
    words = dict(_WORDS)
    one, other = column_a.strip().lower(), column_b.strip().lower()
    words[one], words[other] = "a", "b"
    if (one[-1:], other[-1:]) in (("1", "2"), ("0", "1")) and one[:-1] == other[:-1]:
        words[one[-1]], words[other[-1]] = "a", "b"
    return words


def meaning(column: str, value: Any, words: Mapping[str, str]) -> str | None:
    """`a`, `b` or `tie`, or None: the column says nothing.

    Raises:
        ValueError: it says what could mean either, or nothing that is known.
    """
    word = _word(value)
    if (side := words.get(word)) is not None:
        return side
    if word in _NO_LABEL:
        return None
    if word in _AMBIGUOUS:
        raise ValueError(f"{column!r} says {word!r}, which could mean either response: say which, --values 0=a,1=b")
    raise ValueError(
        f"{column!r} says {quoted(value)}: it may say a, b or tie; say what it means, --values WORD=a,WORD=b"
    )


def _word(value: Any) -> str:
    if isinstance(value, Mapping) and "selected" in value:  # how Label Studio says it
        value = value["selected"]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()
