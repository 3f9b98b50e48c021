"""Several answers to one prompt with scores or ranks: pairs of them, at most a few a prompt, drawn by their texts."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from resources.landing.shapes.labels import TIE
from resources.landing.shapes.shape import Fields
from ser.data.pairs import keyed_hash

PAIRS_PER_RANKING = 4
"""More would let a few prompts with many answers be most of the data set."""

_ANSWERS_COMPARED = 16


def ranked_pairs(prompt: Any, answers: Sequence[tuple[Any, Any]]) -> list[Fields]:
    """At most PAIRS_PER_RANKING pairs of answers of different scores, as canonical fields without the prompt.

    Which pairs is drawn by a hash of the texts, never by the scores. Two answers alone may tie.

    Args:
        answers: each with its score, higher is better; those without a score are passed over.

    Raises:
        ValueError: no two answers differ.
    """
    scored = [(answer, _number(score)) for answer, score in answers if answer is not None and score is not None]
    if len(scored) < 2:
        raise ValueError("fewer than two answers with a score: nothing to compare")
    (one, first), (other, second) = scored[:2]
    if len(scored) == 2 and first == second:
        return [{"response_a": one, "response_b": other, "preferred": TIE}]
    about = keyed_hash("prompt", _text(prompt))
    named = [(keyed_hash("answer", _text(answer)), answer, score) for answer, score in scored]
    named = sorted(named)[:_ANSWERS_COMPARED]
    pairs = [(one, other) for one, other in combinations(named, 2) if one[2] != other[2] and one[0] != other[0]]
    if not pairs:
        raise ValueError("no two answers with different scores: nothing to compare")
    pairs.sort(key=lambda two: keyed_hash("answers", about, *sorted((two[0][0], two[1][0]))))
    return [_pair(*two) for two in pairs[:PAIRS_PER_RANKING]]


def drawn(responses: list[Any], count: int) -> list[Any]:
    """At most `count` of the responses, drawn by a hash of their texts."""
    return sorted(responses, key=lambda response: keyed_hash("answer", _text(response)))[:count]


def ultrafeedback(row: Fields) -> Iterable[Fields]:
    """openbmb/UltraFeedback: completions with scores of GPT-4, the mean of the fine-grained ones if there is one."""
    answers = []
    for completion in _dictionaries(row["completions"], "completions"):
        score = completion.get("fine-grained_score")
        answers.append((completion.get("response"), completion.get("overall_score") if score is None else score))
    return ranked_pairs(row["instruction"], answers)


def nectar(row: Fields) -> Iterable[Fields]:
    """berkeley-nest/Nectar: answers with ranks, the first is the best."""
    answers = _dictionaries(row["answers"], "answers")
    ranks = [(answer.get("answer"), answer.get("rank")) for answer in answers]
    return ranked_pairs(row["prompt"], [(text, None if rank is None else -rank) for text, rank in ranks])


def webgpt(row: Fields) -> Iterable[Fields]:
    """openai/webgpt_comparisons: two answers with scores of opposite sign, zero for a tie."""
    return ranked_pairs("", [(row["answer_0"], row["score_0"]), (row["answer_1"], row["score_1"])])


def _number(score: Any) -> float:
    if isinstance(score, bool) or not isinstance(score, (int, float, str)):
        raise ValueError("a score is no number: nothing to compare")
    try:
        return float(score) if isinstance(score, str) else score
    except ValueError:
        raise ValueError("a score is no number: nothing to compare") from None


def _pair(one: tuple[str, Any, Any], other: tuple[str, Any, Any]) -> Fields:
    better, worse = (one, other) if one[2] > other[2] else (other, one)
    return {
        "chosen": better[1],
        "rejected": worse[1],
        "score_chosen": better[2],
        "score_rejected": worse[2],
    }


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "replace").decode()


def _dictionaries(value: Any, column: str) -> list[dict[str, Any]]:
    """The items of a list; a table may hold it as a dictionary of columns."""
    if isinstance(value, dict) and value and all(isinstance(items, list) for items in value.values()):
        value = [dict(zip(value, items, strict=False)) for items in zip(*value.values(), strict=False)]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{column!r} is no list of answers with their scores")
    return value
