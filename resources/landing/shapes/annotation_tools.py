"""Exports of tools in which people say which response is better: Label Studio and Argilla."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from resources.landing.shapes.labels import Answers, words_beside
from resources.landing.shapes.rankings import ranked_pairs
from resources.landing.shapes.shape import NO_PROMPT, RESPONSES, Fields

PROMPTS = ("prompt", "instruction", "question", "query", "input", "text")
RESPONSE_NAMES = tuple(
    (f"{name}{join}{one}", f"{name}{join}{other}")
    for name in ("response", "answer", "output", "completion", "reply", "generation", "text")
    for one, other in (("a", "b"), ("1", "2"), ("0", "1"))
    for join in ("_", "", "-")
)


def label_studio(row: Fields) -> Iterable[Fields]:
    """An exported task: a pair for each annotation that chose a side; without one, a pair without a label."""
    data, annotations = row["data"], row["annotations"]
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise ValueError("no task of Label Studio: 'data' is no object or 'annotations' is no list")
    found = [fields for annotation in annotations for fields in _annotation(data, annotation)]
    return found or [_texts(data, _known(data))]


def argilla(row: Fields) -> Iterable[Fields]:
    """An exported record, of Argilla 1 or 2, flattened or not: a pair for each user who answered."""
    texts = row["fields"] if isinstance(row.get("fields"), Mapping) else row
    people: dict[Any, list[tuple[str, Any]]] = {}
    for question, answers in _answers(row).items():
        for place, (value, user) in enumerate(answers):
            if value is not None:
                people.setdefault((user, place if user is None else None), []).append((question, value))
    found = [fields for (user, _), said in people.items() for fields in _argilla_answers(texts, said, user)]
    return found or [_texts(texts, _known(texts))]


def _annotation(data: Mapping[str, Any], annotation: Any) -> Iterator[Fields]:
    if not isinstance(annotation, Mapping) or annotation.get("was_cancelled"):
        return
    user = annotation.get("completed_by")
    if isinstance(user, Mapping):
        user = user.get("email") or user.get("id")
    pairs: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for result in annotation.get("result") or ():
        said = _chosen(result.get("value"))
        if said in (None, "", []):
            continue
        names = tuple(name.strip() for name in str(result.get("to_name")).split(","))
        pair = names if len(names) == 2 and set(names) <= data.keys() else _known(data)
        pairs.setdefault(pair, []).append((str(result.get("from_name")), said))
    for pair, answered in pairs.items():
        answers = Answers(tuple(answered), words_beside(*pair))
        yield _texts(data, pair) | {"preferred": answers, "annotator": user}


def _chosen(value: Any) -> Any:
    """What a result says: the side of Label Studio's `Pairwise`, the one of its `Choices`, or anything else."""
    if not isinstance(value, Mapping):
        return value
    choices = value.get("choices")
    if isinstance(choices, list) and len(choices) == 1:
        return choices[0]
    return value.get("selected", next(iter(value.values()), None))


def _texts(data: Mapping[str, Any], pair: tuple[str, ...]) -> Fields:
    """The canonical fields of a record's texts, with its other columns."""
    prompt = next((name for name in PROMPTS if data.get(name) is not None and name not in pair), None)
    rest = {name: value for name, value in data.items() if name not in (prompt, *pair)}
    asked = NO_PROMPT if prompt is None else data[prompt]
    return {**rest, "prompt": asked, "response_a": data[pair[0]], "response_b": data[pair[1]]}


def _known(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of the two responses."""
    for pair in RESPONSE_NAMES:
        if data.get(pair[0]) is not None and data.get(pair[1]) is not None:
            return pair
    raise ValueError("no two responses under a known name (response_a and response_b, answer1 and answer2, …)")


def _answers(row: Fields) -> dict[str, list[tuple[Any, Any]]]:
    """Question to the answers that were submitted, each with its user."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    if isinstance(responses := row.get("responses"), Mapping):
        for question, answers in responses.items():
            found[question] = [(answer["value"], answer.get("user_id")) for answer in answers if _submitted(answer)]
    elif isinstance(responses, list):
        for answer in filter(_submitted, responses):
            for question, value in (answer.get("values") or {}).items():
                found.setdefault(question, []).append((value.get("value"), answer.get("user_id")))
    for column, values in row.items():
        if column.endswith(".responses") and isinstance(values, list):
            users, states = (row.get(f"{column}.{about}") or [None] * len(values) for about in ("users", "status"))
            found[column] = [
                (value, user)
                for value, user, status in zip(values, users, states, strict=False)
                if _submitted({"status": status})
            ]
        elif any("value" in answer and "status" in answer for answer in _listed(values)):
            found[column] = [
                (answer["value"], answer.get("user_id")) for answer in _listed(values) if _submitted(answer)
            ]
    return found


def _listed(values: Any) -> list[Mapping[str, Any]]:
    """The answers of a column of Argilla 1, which a table may hold as a dictionary of lists."""
    if isinstance(values, Mapping) and all(isinstance(items, list) for items in values.values()):
        return [dict(zip(values, answer, strict=True)) for answer in zip(*values.values(), strict=False)]
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _submitted(answer: Mapping[str, Any]) -> bool:
    return answer.get("status") in (None, "submitted")


def _argilla_answers(texts: Mapping[str, Any], said: list[tuple[str, Any]], user: Any) -> Iterator[Fields]:
    """The pairs of what one person answered: of a ranking of fields, or of a word for one of two."""
    ranking = next((ranks for _, value in said if (ranks := _ranks(texts, value))), None)
    if ranking:
        for pair in ranked_pairs(_texts(texts, (ranking[0][0], ranking[-1][0]))["prompt"], ranking):
            one, other = (pair.get(name) or pair[letter] for name, letter in zip(*RESPONSES, strict=True))
            yield _texts(texts, (one, other)) | {"preferred": pair.get("preferred", "a"), "annotator": user}
        return
    pair_names = _known(texts)
    answers = Answers(tuple(said), words_beside(*pair_names))
    yield _texts(texts, pair_names) | {"preferred": answers, "annotator": user}


def _ranks(texts: Mapping[str, Any], value: Any) -> list[tuple[str, Any]]:
    """Fields with their ranks, higher is better; none if an answer ranks no fields."""
    if isinstance(value, Mapping) and isinstance(value.get("rank"), list):
        value = _listed(value)
    if not isinstance(value, list) or len(value) < 2:
        return []
    ranks = [
        (item["value"], -item["rank"]) if isinstance(item, Mapping) else (item, -place)
        for place, item in enumerate(value)
    ]
    names = [(name if name in texts else str(name).replace("-", "_"), rank) for name, rank in ranks]
    return names if all(name in texts for name, _ in names) else []
