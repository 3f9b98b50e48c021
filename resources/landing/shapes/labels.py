"""The words that files say in a label's column, and which columns look like one."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from resources.landing.comparison import quoted

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
_BOOLEANS = {"true": "true=a,false=b", "false": "true=a,false=b", "yes": "yes=a,no=b", "no": "yes=a,no=b"}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_WHOLE = re.compile(r"([-+]?\d+)\.0+")
_SAYS_MORE = (" wins", " won", " is better")
_NUMBERS_SHOWN = 7
_LONGEST_LABEL = 60

_LOOKS = re.compile(
    r"(?:^|[_\W])(?:labels?|winners?|preferences?|preferred|prefers?|prefs?|better|best|choices?|chosen|selected|selection"
    r"|verdict|judge?ments?|votes?|gold|target|ranks?|rankings?|rejected|outcome|result|annotation|losers?|worse|worst"
    r"|picks?|wins?)(?:$|[_\W])|^annotations$|^overall_response$"
)
_SCORES = re.compile(r"(?:^|[_\W])(?:scores?|ratings?|rewards?|upvotes?|likes?)(?:$|[_\W])")
_ANNOTATOR = re.compile(r"(?:annotator|rater|judge|worker|labell?er|evaluator)[_\W]?\d+")
_ABOUT = re.compile(
    r"(?:^|[_\W])(?:\w*id|index|source|lang|language|locale|category|type|kind|class|grade|group|domain|split|subset"
    r"|topic|task|models?|version|format|variant|batch|order|position|difficulty|tags?)(?:$|[_\W\d])"
)
"""Columns in which a letter or a side may be anything but the better response."""


class Answers(NamedTuple):
    """What one person answered in a tool for annotation; one of the answers says which response is better."""

    said: tuple[tuple[str, Any], ...]
    """Question and answer."""
    words: Mapping[str, str]
    """What the names of the two responses mean."""


def looks_like_score(column: str) -> bool:
    """Whether a column's name (in small letters) says that it may hold a score of a response."""
    return _SCORES.search(column) is not None


def looks_like_label(column: str) -> bool:
    """Whether a column's name (in small letters) says that it may hold a label."""
    return _LOOKS.search(column) is not None and not column.endswith("_id")


def may_say_side(column: str) -> bool:
    """Whether a column of that name (in small letters) would hold the name of a side only as a label."""
    return _ABOUT.search(column) is None


def says_side(column: str, value: Any, words: Mapping[str, str]) -> bool:
    """Whether a value reads like a label, whatever its column is called; a number does beside a person's name only."""
    if isinstance(value, (str, list)) and len(value) > _LONGEST_LABEL:
        return False
    word = word_of(value)
    for more in _SAYS_MORE:
        word = word.removesuffix(more)
    if is_number(word):
        return word in ("0", "1", "2") and _ANNOTATOR.fullmatch(column) is not None
    return words.get(word) in ("a", "b")


def words_beside(column_a: str, column_b: str) -> dict[str, str]:
    """What words mean beside two columns of responses: their own names too."""
    words = dict(_WORDS)
    for side, column in (("a", column_a), ("b", column_b)):
        name = column.strip().lower()
        words[name] = words[name.replace("_", " ")] = words[re.sub(r"[ -]+", "_", name)] = side
    return words


def numbers_beside(column_a: str, column_b: str) -> dict[str, str]:
    """What numbers may mean beside two columns of responses that are numbered; whether they do, only a file shows."""
    one, other = column_a.strip().lower(), column_b.strip().lower()
    if (one[-1:], other[-1:]) in (("1", "2"), ("0", "1")) and one[:-1] == other[:-1]:
        return {one[-1]: "a", other[-1]: "b"}
    return {}


def meaning(column: str, value: Any, words: Mapping[str, str], seen: Collection[str] = ()) -> str | None:
    """`a`, `b` or `tie`, or None: the column says nothing.

    Args:
        seen: the numbers that the column is known to say.

    Raises:
        ValueError: it says what could mean either, or nothing that is known.
    """
    word = word_of(value)
    if (side := words.get(word)) is not None:
        return side
    if word in _NO_LABEL:
        return None
    if word in _BOOLEANS or is_number(word):
        hint = _BOOLEANS.get(word) or _numbers_hint({*seen, word})
        raise ValueError(f"{column!r} says {word!r}, which could mean either response: say which, --values {hint}")
    raise ValueError(
        f"{column!r} says {quoted(value)}: it may say a, b or tie; say what it means, --values WORD=a,WORD=b"
    )


def is_number(word: str) -> bool:
    """Whether a word is a number."""
    return _NUMBER.fullmatch(word) is not None


def word_of(value: Any) -> str:
    """What a label's column says, in small letters; a table may hold whole numbers as 1.0."""
    if not isinstance(value, str):
        value = _selected(value)
    elif value[:1] in ("[", "{") and "selected" in value:
        try:
            value = _selected(json.loads(value))
        except (ValueError, RecursionError):
            return value.strip().lower()
    word = str(value).strip().lower()
    return whole.group(1) if word[-1:] == "0" and (whole := _WHOLE.fullmatch(word)) else word


def _selected(value: Any) -> Any:
    """The side that Label Studio's `Pairwise` writes, alone or in a list of one; any other value is itself."""
    inner = value[0] if isinstance(value, list) and len(value) == 1 else value
    return inner["selected"] if isinstance(inner, Mapping) and "selected" in inner else value


def _numbers_hint(seen: set[str]) -> str:
    """An example of what numbers could mean: the smaller ones the first response, the larger ones the second."""
    numbers = sorted(seen, key=float)
    if len(numbers) > _NUMBERS_SHOWN:
        return "NUMBER=a,NUMBER=b"
    if numbers == ["0", "1", "2"]:  # a tie is 0 here and 2 there
        return "NUMBER=a,NUMBER=b,NUMBER=tie"
    if len(numbers) == 1:
        return f"{numbers[0]}=a or {numbers[0]}=b"
    middle = len(numbers) / 2
    sides = ["a" if place + 1 <= middle else "b" if place >= middle else TIE for place in range(len(numbers))]
    return ",".join(f"{number}={side}" for number, side in zip(numbers, sides, strict=True))
