"""What the words of a label's column mean, and a label that nobody reads."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from resources.landing.reasons import remedy
from resources.landing.shapes.mapping import ColumnMap, parse_columns, parse_values
from ser.errors import SerError
from tests.resources.shapes.reading import Pair, pairs_of, reader_of

AB = {"prompt": "Best soup?", "response_a": "Lentil.", "response_b": "No idea."}
FIRST = Pair("Best soup?", "Lentil.", "No idea.")
SECOND = Pair("Best soup?", "No idea.", "Lentil.")
NONE = Pair("Best soup?", "Lentil.", "No idea.", labelled=False)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, FIRST) for word in ("a", "A", "a ", "response_a", "model_a", "Left")),
        *((word, SECOND) for word in ("b", " B", "response_b", "model_b", "right")),
        *((word, NONE) for word in ("tie", "both", "neither", "tie (bothbad)", "equal", "draw", "none", "", " ", None)),
    ],
)
@pytest.mark.parametrize("column", ["preferred", "winner", "label"])
def test_known_words_are_read(column: str, word: str | None, expected: Pair) -> None:
    assert pairs_of({**AB, column: word}) == [expected]


def test_ties_are_counted_and_empty_labels_are_not() -> None:
    reader, _ = reader_of(*({**AB, "preferred": word} for word in ("tie", "both", "", None, "a")))
    assert reader.notes == {"ties, landed without a label": 2}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((0, 1), "0=a,1=b"),
        (("1", 0.0), "0=a,1=b"),
        ((True, False), "true=a,false=b"),
        (("true",), "true=a,false=b"),
        ((2,), "2=a or 2=b"),
        ((5, 3, 1), "1=a,3=tie,5=b"),
        (range(10), "NUMBER=a,NUMBER=b"),
    ],
)
def test_a_number_beside_letters_could_mean_either(words: Iterable[Any], hint: str) -> None:
    for found in pairs_of(*({**AB, "preferred": word} for word in words)):
        assert isinstance(found, str) and found.endswith(f"could mean either response: say which, --values {hint}")


@pytest.mark.parametrize("word", ["chosen", ["a"], {"x": 1}, "the first"])
def test_nonsense_is_named(word: Any) -> None:
    (found,) = pairs_of({**AB, "preferred": word})
    assert isinstance(found, str) and found.startswith("'preferred' says") and "--values WORD=a,WORD=b" in found


@pytest.mark.parametrize(
    "column", ["human_label", "gold", "rater_preference", "votes", "is_better", "rank", "task_label"]
)
def test_a_column_that_looks_like_a_label_and_is_not_read_is_a_reason(column: str) -> None:
    row = {**AB, column: 1}
    (found,) = pairs_of(row)
    assert isinstance(found, str)
    assert found.startswith(f"the column '{column}' looks like a label and is not read: name it with --map preferred=")
    assert pairs_of(row, mapping=ColumnMap(unlabelled=True)) == [NONE]
    assert pairs_of({**row, "preferred": "a"}) == [FIRST]
    assert pairs_of({**AB, column: ""}) == [NONE]


def test_scores_that_are_not_read_are_said() -> None:
    reader, _ = reader_of({**AB, "score_a": 1, "score_b": 2}, {**AB, "score_a": 1, "score_b": 2, "preferred": "a"})
    assert reader.notes == {"columns that look like scores of the responses were not read: no label comes from them": 1}


@pytest.mark.parametrize("column", ["label_id", "model_a", "selectivity", "note"])
def test_other_columns_are_no_labels(column: str) -> None:
    assert pairs_of({**AB, column: 1}) == [NONE]


def test_a_label_that_is_unclear_may_be_left_unread() -> None:
    row = {**AB, "label": 1}
    assert pairs_of(row, mapping=ColumnMap(unlabelled=True)) == [NONE]
    assert pairs_of(row, mapping=ColumnMap(values={"1": "b"})) == [SECOND]
    assert pairs_of({**AB, "label": True}, mapping=ColumnMap(values={"TRUE": "a"})) == [FIRST]


def test_a_map_names_other_columns() -> None:
    row = {"Ask": "Best", "More": "soup?", "x": "Lentil.", "y": "No idea.", "won": "first", "who": "ann", "set": "test"}
    columns = parse_columns("prompt=ask+more,response_a=x,response_b=y,preferred=won,annotator=who,role=set")
    mapping = ColumnMap(columns, parse_values("first=a, second=b"))
    _, (found,) = reader_of(row, mapping=mapping)
    assert (found.annotator, found.role, found.metadata) == ("ann", "test", "{}")  # type: ignore[union-attr]
    assert pairs_of(row, {**row, "won": "second"}, mapping=mapping) == [
        Pair("Best\n\nsoup?", "Lentil.", "No idea.", annotator="ann"),
        Pair("Best\n\nsoup?", "No idea.", "Lentil.", annotator="ann"),
    ]


def test_a_map_wins_over_the_catalogue() -> None:
    row = {"prompt": "old", "context": "Best", "question": "soup?", "chosen": "No idea.", "rejected": "Lentil."}
    mapping = ColumnMap(parse_columns("prompt=context+question,chosen=rejected,rejected=chosen"))
    assert pairs_of(row, mapping=mapping) == [Pair("Best\n\nsoup?", "Lentil.", "No idea.")]
    assert pairs_of({"text": "x"}, mapping=mapping) == [
        "no column 'context+question', which --map names as the 'prompt'"
    ]
    nested = {"row": {"ask": "Best soup?", "good": "Lentil.", "bad": "No idea."}}
    inside = ColumnMap(parse_columns("prompt=row.ask,chosen=row.good,rejected=row.bad"))
    assert pairs_of(nested, mapping=inside) == [FIRST]


@pytest.mark.parametrize("field", ["preferred", "annotator", "group", "source", "system", "id", "role"])
def test_a_mapped_column_that_no_row_has_refuses_every_row(field: str) -> None:
    rows = [{**AB, "preferred": "a", "who": None}, {**AB, "preferred": "b"}]
    reason = f"no column 'outcom', which --map names as the '{field}'"
    assert pairs_of(*rows, mapping=ColumnMap({field: "outcom"})) == [reason, reason]
    assert pairs_of(*rows, mapping=ColumnMap({"annotator": "who"})) == [FIRST, SECOND]


def test_a_map_gives_the_role_of_rows_that_name_none() -> None:
    rows = [{**AB, "preferred": "a"}, {**AB, "preferred": "a", "role": "seed"}]
    _, found = reader_of(*rows, mapping=ColumnMap(role="test"))
    assert [row.role for row in found] == ["test", "seed"]  # type: ignore[union-attr]


def test_a_role_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SerError, match=r"there is no role 'exam'\. Choose from: seed, calibration, test"):
        ColumnMap(role="exam")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"columns": {"question": "x"}}, "^map: there is no field 'question'"),
        ({"columns": {"chosen": "x"}}, "^map: chosen and rejected belong together"),
        ({"values": {"x": "response_a"}}, "^values: x=response_a means nothing"),
        ({"role": "exam"}, "^role: there is no role"),
    ],
)
def test_a_map_of_the_settings_is_checked_like_one_of_the_command_line(said: dict[str, Any], message: str) -> None:
    with pytest.raises(SerError, match=message):
        ColumnMap(**said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt", "'prompt' is no assignment"),
        ("=prompt", "'=prompt' is no assignment"),
        ("preferred=", "preferred needs a column. Only these can be none: prompt, system, id, group, source"),
        ('preferred="Which', "a quotation mark is not closed"),
        ("question=prompt", "there is no field 'question'. Choose from: prompt, chosen"),
        ("prompt=a,prompt=b", "'prompt' is named twice"),
        ("chosen=a", "chosen and rejected belong together"),
        ("chosen=a,rejected=b,response_a=c,response_b=d", "either chosen and rejected, or response_a"),
    ],
)
def test_a_map_that_cannot_be_read_is_an_error(text: str, message: str) -> None:
    with pytest.raises(SerError, match=message):
        parse_columns(text)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("role", "user", "role 'user' is unknown"),
        ("system", False, "'system' has the wrong type 'bool'"),
        ("group", {"of": 1}, "'group' has the wrong type 'dict'"),
    ],
)
def test_a_column_that_means_something_else_is_read_as_none_when_the_user_says_so(
    column: str, value: Any, problem: str
) -> None:
    row = {"prompt": "Best soup?", "chosen": "Lentil.", "rejected": "No idea.", column: value}
    (refused,) = pairs_of(row)
    assert isinstance(refused, str) and refused.startswith(problem)
    assert f"--map {column}=" in remedy(refused, whole_file=False).replace("FIELD", column)
    mapping = ColumnMap(parse_columns(f"{column}="))
    _, (found,) = reader_of(row, mapping=mapping)
    assert json.loads(found.metadata) == {column: value}  # type: ignore[union-attr]
    assert pairs_of(row, mapping=mapping) == [Pair("Best soup?", "Lentil.", "No idea.")]


def test_values_that_mean_nothing_are_an_error() -> None:
    assert parse_values("model_a=a,model_b=b,same=tie") == {"model_a": "a", "model_b": "b", "same": "tie"}
    with pytest.raises(SerError, match="x=c means nothing; a word means a, b, tie"):
        parse_values("x=c")


def test_a_map_wins_over_the_code_of_a_shape() -> None:
    conversations = {
        f"conversation_{side}": [{"role": "user", "content": "Best soup?"}, {"role": "assistant", "content": text}]
        for side, text in (("a", "Lentil."), ("b", "No idea."))
    }
    mapping = ColumnMap({"preferred": "vote", "annotator": "who"}, {"first": "a"})
    row = {**conversations, "winner": "model_b", "vote": "first", "who": "ann"}
    assert pairs_of(row, mapping=mapping) == [Pair("Best soup?", "Lentil.", "No idea.", annotator="ann")]
