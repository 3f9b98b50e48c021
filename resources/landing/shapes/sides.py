"""Which response of a row is the better one, as its label says it, or a label that cannot be read."""

from collections.abc import Mapping, Sequence
from typing import Any

from resources.landing.comparison import quoted
from resources.landing.shapes.first_look import FirstLook
from resources.landing.shapes.labels import (
    NAMES,
    TIE,
    Answers,
    is_number,
    looks_like_label,
    may_say_side,
    meaning,
    says_side,
    word_of,
)
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.recognition import Plan
from resources.landing.shapes.shape import RESPONSES, Fields

TIES = "ties, landed without a label"
AGAINST_SCORES = "the chosen response has the lower score of the two: chosen was believed"


class Sides:
    """Reads the labels of one file."""

    def __init__(self, mapping: ColumnMap, look: FirstLook):
        self._mapping = mapping
        self._look = look

    def first(
        self, plan: Plan, said: Fields, present: Mapping[str, Any], names: tuple[str, str], notes: set[str]
    ) -> bool | None:
        """Whether the first response is the better one; None: nobody says so.

        Raises:
            ValueError: the label says nothing that is known, stands in a column that is not read, or another disagrees.
        """
        if not plan.shape.labelled:
            return None
        if names == RESPONSES[0]:
            score, other = (_score(said.get(name)) for name in ("score_chosen", "score_rejected"))
            if (score is not None and score == other) or TIE in (said.get("preferred"), self._beside(plan, present)):
                notes.add(TIES)
                return None
            if score is not None and other is not None and score < other:
                notes.add(AGAINST_SCORES)
            return True
        side = self._side(plan, said.get("preferred"), present)
        if side is None:
            self._refuse_unread(plan, present)
            return None
        unread = () if "preferred" in plan.mapped else plan.unread
        words = [column for column in unread if not is_number(word_of(present[column]))]  # a number may count anything
        for column in dict.fromkeys((*plan.labels, *words)):
            self._refuse_another(plan, column, present, side)
        if side == TIE:
            notes.add(TIES)
            return None
        return {"a": True, "b": False}[side]

    def _beside(self, plan: Plan, present: Mapping[str, Any]) -> str | None:
        """`tie` where a column beside `chosen` and `rejected` says so.

        Raises:
            ValueError: it says that the rejected one is the better.
        """
        said = {column: word_of(present[column]) for column in plan.labels}
        for column, word in said.items():
            if word in ("rejected", "response_rejected"):
                raise ValueError(f"{column!r} says that the rejected response is the better one: say which with --map")
        return TIE if any(word.split(" ")[0] == TIE for word in said.values()) else None

    def _side(self, plan: Plan, value: Any, present: Mapping[str, Any]) -> str | None:
        if value is None:
            return None
        try:
            if isinstance(value, Answers):
                asked = self._asked(value.said)
                others = [one for one in value.said if one not in asked]
                return _answered({**value.words, **plan.words}, asked, others)
            return self._meaning(plan, plan.label, value, present)
        except ValueError:
            named = isinstance(value, Answers) or plan.label != "preferred"
            if self._mapping.unlabelled and named and "preferred" not in self._mapping.columns:
                return None
            raise

    def _asked(self, said: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The answers to the question that compares: the one that the user names, else those that are called so."""
        wanted = self._mapping.named.get("preferred", "").strip().lower()
        named = [(question, answer) for question, answer in said if question.strip().lower() == wanted]
        labels = [one for one in said if looks_like_label(one[0].lower()) or one[0].lower() in NAMES]
        return named or labels or [one for one in said if may_say_side(one[0].lower())]

    def _meaning(self, plan: Plan, column: str, value: Any, present: Mapping[str, Any]) -> str | None:
        if plan.models and (side := _model(plan, column, word_of(value), present)):
            return side
        words = plan.words
        if plan.models and (name := word_of(value)) in self._look.models and name not in words:
            raise ValueError(f"{column!r} says {quoted(name)}, a model that is none of the two of its row")
        if plan.numbers and self._look.shows(column, plan.numbers, words):
            words = {**words, **plan.numbers}
        return meaning(column, value, words, self._look.numbers.get(column, ()))

    def _refuse_another(self, plan: Plan, column: str, present: Mapping[str, Any], side: str) -> None:
        """Refuse a row of which another column of labels says something else."""
        try:
            other = self._meaning(plan, column, present[column], present)
        except ValueError:
            return
        if other is not None and other != side:
            raise ValueError(
                f"the labels {plan.label!r} and {column!r} disagree: say which to read, --map preferred=COLUMN"
            )

    def _refuse_unread(self, plan: Plan, present: Mapping[str, Any]) -> None:
        """Refuse a row without a label that may have one in a column that is not read."""
        if self._mapping.unlabelled:
            return
        unread = next((name for name in plan.unread if str(present[name]).strip()), None) or next(
            (column for column, name in plan.doubtful if says_side(name, present[column], plan.words)), None
        )
        if unread is not None:
            raise ValueError(
                f"the column {quoted(unread)} looks like a label and is not read: name it with "
                "--map preferred=COLUMN --values WORD=a,WORD=b, or say --unlabelled"
            )


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _model(plan: Plan, column: str, word: str, present: Mapping[str, Any]) -> str | None:
    """The side whose model, as the row names it, is the winner.

    Raises:
        ValueError: the name could be either side's.
    """
    sides = [side for side, model in zip("ab", plan.models, strict=True) if word and word_of(present[model]) == word]
    known = plan.words.get(word)
    if len(sides) == 2 or (sides and known in ("a", "b") and known != sides[0]):
        raise ValueError(f"{column!r} says the name of a model, {quoted(word)}, which could mean either response")
    return sides[0] if sides else None


def _answered(
    words: Mapping[str, str], asked: Sequence[tuple[str, Any]], others: Sequence[tuple[str, Any]]
) -> str | None:
    """What the answers of one person say; questions about other things have answers that say no side.

    Args:
        asked: the answers that may compare; `others` are none.

    Raises:
        ValueError: none can be read, or two disagree.
    """
    sides: dict[str, str] = {}
    unread = list(others)
    for question, answer in asked:
        try:
            side = meaning(question, answer, words)
        except ValueError:
            unread.append((question, answer))
        else:
            sides |= {side: question} if side else {}
    if len(sides) > 1:
        raise ValueError(
            f"the answers to {' and '.join(quoted(question) for question in sides.values())} disagree: say which to "
            "read, --map preferred=QUESTION"
        )
    if sides:
        return next(iter(sides))
    if unread:
        shown = " and ".join(f"{quoted(_shown(answer))} to {quoted(question)}" for question, answer in unread)
        raise ValueError(f"the answer {shown} could not be read: say what it means, --values WORD=a,WORD=b")
    return None


def _shown(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
