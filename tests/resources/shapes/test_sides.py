"""Labels that name a model, that nobody reads, that disagree, and the answers of annotation tools."""

import json
from typing import Any

import pytest

from resources.landing.shapes.mapping import ColumnMap, parse_columns
from tests.resources.shapes.layouts_judged import ARGILLA, arena, pairwise, task
from tests.resources.shapes.layouts_named import NAMED
from tests.resources.shapes.reading import Pair, pairs_of, reader_of
from tests.resources.shapes.soups import AB

FIRST = Pair("Best soup?", "Lentil.", "No idea.")
SECOND = Pair("Best soup?", "No idea.", "Lentil.")
NONE = Pair("Best soup?", "Lentil.", "No idea.", labelled=False)


def test_a_winner_may_be_the_name_of_a_model() -> None:
    one = {**AB, "model_a": "Llama-3", "model_b": "gpt-4"}
    other = {**AB, "model_a": "gpt-4", "model_b": "Llama-3"}
    rows = [row | {"winner": winner} for row in (one, other) for winner in ("gpt-4", "llama-3", "model_a", "tie")]
    assert pairs_of(*rows) == [SECOND, FIRST, FIRST, NONE, FIRST, SECOND, FIRST, NONE]
    (found,) = pairs_of(arena("x"))
    assert isinstance(found, Pair) and found.better == "Lentil."


@pytest.mark.parametrize(("a", "b", "winner"), [("m", "m", "m"), ("B", "A", "A")])
def test_a_name_of_a_model_that_could_mean_either_is_refused(a: str, b: str, winner: str) -> None:
    (found,) = pairs_of({**AB, "model_a": a, "model_b": b, "winner": winner})
    assert found == f"'winner' says the name of a model, '{winner.lower()}', which could mean either response"


def test_a_winner_that_is_a_model_of_another_row_is_no_word_to_explain() -> None:
    rows = [{**AB, "model_a": "x1", "model_b": "x2", "winner": "x3"}, {**AB, "model_a": "x3", "model_b": "x2"}]
    assert pairs_of(*rows) == ["'winner' says 'x3', a model that is none of the two of its row", NONE]


def test_labels_of_a_reward_model_are_labels_only_if_the_user_says_so() -> None:
    row, _ = NAMED["what ser exports"]
    reader, found = reader_of(row)
    assert [(pair.preferred, pair.annotator) for pair in found] == [(None, "")]  # type: ignore[union-attr]
    assert reader.shapes == {"labels that ser exported": 1}
    mapping = ColumnMap(parse_columns("chosen=chosen,rejected=rejected,prompt=prompt"))
    assert pairs_of(row, mapping=mapping) == [FIRST]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("who_won", value) for value in ("A", "b", "response_a", "Left", "A wins", "b is better", "model_b")),
        *((column, "x") for column in ("outcome", "result", "annotation", "loser", "worse", "worse_response")),
        *((column, value) for column in ("annotator1", "rater_2") for value in (1, "2", 0, 1.0)),
        ("pairwise_2", [{"selected": "left"}]),
    ],
)
def test_a_value_that_reads_like_a_label_and_is_not_read_is_refused(column: str, value: Any) -> None:
    row = {**AB, column: value}
    (found,) = pairs_of(row)
    assert isinstance(found, str) and found.startswith(f"the column '{column}' looks like a label and is not read")
    assert pairs_of(row, mapping=ColumnMap(unlabelled=True)) == [NONE]
    assert pairs_of({**row, "preferred": "a"}) == [FIRST]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, "b") for column in ("lang", "category", "grade", "group", "model_x", "user_id", "id", "source")),
        *(("note", value) for value in ("1", 2, "tie", "none", "abc", 1.5, None)),
        ("annotator1", "ann"),
        ("annotator1", 31),
        ("political_type", "left"),
    ],
)
def test_other_values_are_no_labels(column: str, value: Any) -> None:
    (found,) = pairs_of({**AB, column: value})
    assert isinstance(found, Pair) and not found.labelled


def test_two_labels_that_disagree_are_refused() -> None:
    assert pairs_of({**AB, "winner": "A", "label": "B"}) == [
        "the labels 'winner' and 'label' disagree: say which to read, --map preferred=COLUMN"
    ]
    assert pairs_of({**AB, "winner": "A", "label": "response_a"}, {**AB, "winner": "A", "label": 7}) == [FIRST, FIRST]
    mapping = ColumnMap({"preferred": "label"})
    assert pairs_of({**AB, "winner": "A", "label": "B"}, mapping=mapping) == [SECOND]


@pytest.mark.parametrize("wrap", [lambda value: value, json.dumps])
def test_json_min_of_label_studio(wrap: Any) -> None:
    rows = [{**AB, "comparison": wrap([{"selected": side}])} for side in ("left", "right")]
    assert pairs_of(*rows) == [FIRST, SECOND]
    assert pairs_of({**AB, "comparison": wrap({"selected": "left"})}) == [FIRST]
    (found,) = pairs_of({**AB, "comparison": wrap([{"selected": "left"}, {"selected": "right"}])})
    assert isinstance(found, str)


def result(name: str, **value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "prompt", "value": value}


def test_an_answer_in_label_studio_that_cannot_be_read_is_refused() -> None:
    def annotated(*results: dict[str, Any]) -> dict[str, Any]:
        return task({"completed_by": 3, "result": list(results)})

    wordy = annotated(result("best", choices=["Answer 1 is better"]))
    assert pairs_of(wordy) == [
        "the answer 'Answer 1 is better' to 'best' could not be read: say what it means, --values WORD=a,WORD=b"
    ]
    mapping = ColumnMap(values={"answer 1 is better": "a"})
    assert pairs_of(wordy, mapping=mapping) == [Pair("Best soup?", "No idea.", "Lentil.", annotator="3")]
    assert pairs_of(wordy, mapping=ColumnMap(unlabelled=True)) == [
        Pair("Best soup?", "Lentil.", "No idea.", False, "3")
    ]
    for one in (result("n", choices=["1"]), result("stars", rating=4), result("why", text=["Salty."])):
        (found,) = pairs_of(annotated(one))
        assert isinstance(found, str) and f"to '{one['from_name']}' could not be read" in found
    for one in ({"type": "relation", "from_id": "x"}, result("best", choices=[]), result("why", text=[])):
        assert pairs_of(annotated(one)) == [NONE]
    commented = annotated(result("why", text=["Salty."]), *pairwise("right", 3)["result"])
    assert pairs_of(commented) == [Pair("Best soup?", "Lentil.", "No idea.", annotator="3")]
    (found,) = pairs_of(annotated(result("x", choices=["answer1"]), result("y", choices=["answer2"])))
    assert found == "the answers to 'x' and 'y' disagree: say which to read, --map preferred=QUESTION"


def argilla(**answers: Any) -> dict[str, Any]:
    responses = {name: [{"value": value, "user_id": "u"}] for name, value in answers.items()}
    return {"id": "1", "fields": ARGILLA, "responses": responses}


def test_a_comment_in_argilla_is_no_answer() -> None:
    expected = Pair("Best soup?", "Lentil.", "No idea.", annotator="u")
    assert pairs_of(argilla(comment="Too salty.", preference="response2")) == [expected]
    ranking = [{"value": "response2", "rank": 1}, {"value": "response1", "rank": 2}]
    assert pairs_of(argilla(comment="Too salty.", topics=["x", "y"], ranking=ranking)) == [expected]
    for answers in ({"comment": "Too salty."}, {"stars": 1}, {"stars": 2, "comment": "Salty."}, {"tags": ["x"]}):
        (found,) = pairs_of(argilla(**answers))
        assert isinstance(found, str) and f"'{next(iter(answers))}'" in found and "could not be read" in found


@pytest.mark.parametrize(
    ("chosen", "rejected", "note"),
    [
        (8.0, 3.0, None),
        (3.0, 8.0, "the chosen response has the lower score of the two: chosen was believed"),
        ("3", "8.5", "the chosen response has the lower score of the two: chosen was believed"),
        (3, "3.0", "ties, landed without a label"),
        ("low", "high", None),
        (None, 8, None),
    ],
)
def test_a_score_that_speaks_against_chosen_is_said(chosen: Any, rejected: Any, note: str | None) -> None:
    row = {"prompt": "Best soup?", "chosen": "Lentil.", "rejected": "No idea."}
    reader, (found,) = reader_of(row | {"score_chosen": chosen, "score_rejected": rejected})
    assert list(reader.notes) == ([] if note is None else [note])
    assert (found.preferred is None) == (note is not None and note.startswith("ties"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (
            {"human_label": "b"},
            "the labels 'preferred' and 'human_label' disagree: say which to read, --map preferred=COLUMN",
        ),
        ({"human_label": "a"}, FIRST),
        ({"votes": "2"}, FIRST),
        ({"safety_best": "no idea"}, FIRST),
    ],
)
def test_a_label_that_is_not_read_may_not_say_something_else(more: dict[str, Any], found: Any) -> None:
    assert pairs_of({**AB, "preferred": "a", **more}) == [found]


@pytest.mark.parametrize(
    ("more", "labelled"),
    [({"winner": "tie"}, False), ({"winner": "tie (bothbad)"}, False), ({"winner": "model_b"}, True)],
)
def test_a_tie_beside_chosen_and_rejected_is_no_label(more: dict[str, Any], labelled: bool) -> None:
    row = {"prompt": "Best soup?", "chosen": "Lentil.", "rejected": "No idea."}
    assert pairs_of(row | more) == [Pair("Best soup?", "Lentil.", "No idea.", labelled)]
    (found,) = pairs_of(row | {"preferred": "rejected"})
    assert found == "'preferred' says that the rejected response is the better one: say which with --map"


def test_an_answer_to_another_question_is_no_label() -> None:
    grade = {"type": "choices", "from_name": "prompt_quality_grade", "to_name": "prompt", "value": {"choices": ["B"]}}
    (found,) = pairs_of(task({"completed_by": 3, "result": [grade]}))
    assert isinstance(found, str) and "'B' to 'prompt_quality_grade' could not be read" in found
    safe = grade | {"from_name": "safety_issue", "value": {"choices": ["None"]}}
    compared = [safe, grade, *pairwise("right", 3)["result"]]
    assert pairs_of(task({"completed_by": 3, "result": compared})) == [
        Pair("Best soup?", "Lentil.", "No idea.", annotator="3")
    ]


def test_the_user_says_which_question_of_a_tool_counts() -> None:
    asked = [
        {"type": "choices", "from_name": name, "to_name": "x", "value": {"choices": [side]}}
        for name, side in (("helpful pref", "answer1"), ("harmless pref", "answer2"))
    ]
    row = task({"completed_by": 3, "result": asked})
    (found,) = pairs_of(row)
    assert isinstance(found, str) and found.endswith("disagree: say which to read, --map preferred=QUESTION")
    for name, better in (("helpful pref", "No idea."), ("harmless pref", "Lentil.")):
        (pair,) = pairs_of(row, mapping=ColumnMap({"preferred": name}))
        assert isinstance(pair, Pair) and pair.better == better
    assert pairs_of(row, mapping=ColumnMap({"preferred": "no"})) == [
        "no column 'no', which --map names as the 'preferred'"
    ]


def test_labels_of_the_judge_are_said() -> None:
    reader, _ = reader_of({**AB, "preferred": "a", "annotator": "judge"})
    assert list(reader.notes) == [
        "labels of the annotator 'judge' train only the judge of policies: they are no human labels"
    ]


@pytest.mark.parametrize(
    ("one", "other", "third"),
    [
        ("response_a", "response_b", "response_c"),
        ("answer1", "answer2", "answer3"),
        ("response 1", "response 2", "response 0"),
    ],
)
def test_a_third_response_is_not_passed_over(one: str, other: str, third: str) -> None:
    row = {"prompt": "Best soup?", one: "Lentil.", other: "No idea.", third: "Leek."}
    (found,) = pairs_of(row)
    assert isinstance(found, str) and found.startswith(f"a third response, '{third}': say which two")
    mapping = ColumnMap({"response_a": other, "response_b": third})
    assert pairs_of(row, mapping=mapping) == [Pair("Best soup?", "Leek.", "No idea.", False)]
