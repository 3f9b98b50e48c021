"""A landed row is checked by itself."""

import json
from typing import Any

import pytest

from ser.rows import Row, parse_row

LABELLED = {"prompt": "How?", "chosen": "Like this.", "rejected": "No."}
LETTERED = {"prompt": "How?", "response_a": "Like this.", "response_b": "No."}


def row(fields: dict[str, Any]) -> Row:
    parsed = parse_row(fields)
    assert isinstance(parsed, Row), parsed
    return parsed


def preferred_text(parsed: Row) -> str:
    return parsed.pair.response_a if parsed.preferred == "a" else parsed.pair.response_b


def test_both_forms_say_the_same():
    chosen = row(LABELLED)
    assert preferred_text(chosen) == "Like this."
    assert row({**LETTERED, "preferred": "a"}) == chosen
    assert row({**LETTERED, "response_a": "No.", "response_b": " Like this.\n", "preferred": " b "}) == chosen
    assert chosen.annotator == "" and chosen.source is chosen.group is chosen.role is None


def test_the_label_does_not_move_the_responses():
    for number in range(50):
        fields = {"prompt": "How?", "response_a": f"one {number}", "response_b": f"two {number}"}
        a, b, none = (row({**fields, "preferred": preferred}) for preferred in ("a", "b", None))
        assert a.pair == b.pair == none.pair
        assert {a.preferred, b.preferred} == {"a", "b"}
        assert preferred_text(a) == f"one {number}"
        assert none.preferred is None


@pytest.mark.parametrize("nothing", [None, "", " ", float("nan")])
def test_an_empty_label_is_none(nothing: object):
    assert row({**LETTERED, "preferred": nothing}).preferred is None
    assert row({**LABELLED, "preferred": nothing, "response_a": None}).preferred is not None


def test_a_prompt_may_be_messages_also_as_json_in_a_string():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How?"}]
    listed = row({**LABELLED, "prompt": messages})
    assert listed.pair.prompt == json.dumps(messages, separators=(",", ":"))
    assert row({**LABELLED, "prompt": json.dumps(messages, indent=1)}) == listed
    assert json.loads(row({**LABELLED, "prompt": "[1, 2]"}).pair.prompt)[0]["content"] == "[1, 2]"
    assert json.loads(row({**LABELLED, "prompt": "[x"}).pair.prompt)[0]["content"] == "[x"


def test_names_and_other_columns():
    parsed = row({**LABELLED, "group": 7, "source": " web ", "annotator": 3.0, "id": 12, "note": None, "x": [1]})
    assert (parsed.group, parsed.source, parsed.annotator) == ("7", "web", "3")
    assert json.loads(parsed.metadata) == {"id": 12, "x": [1]}


def test_a_judge_never_decides_a_role():
    assert row({**LABELLED, "annotator": "judge", "role": "test"}).role is None
    assert row({**LABELLED, "annotator": "ann", "role": "test"}).role == "test"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "missing fields 'chosen' and 'rejected'"),
        ({"prompt": "How?"}, "missing fields 'chosen' and 'rejected'"),
        ({"prompt": "How?", "chosen": "a"}, "missing field 'rejected'"),
        ({"prompt": "How?", "response_b": "a"}, "missing field 'response_a'"),
        ({**LABELLED, "prompt": None}, "missing field 'prompt'"),
        ({**LABELLED, "response_a": "x"}, "has both 'chosen' and 'response_a'"),
        ({**LABELLED, "preferred": "a"}, "has both 'chosen' and 'preferred'"),
        ({**LABELLED, "prompt": "  "}, "prompt is empty"),
        ({**LABELLED, "prompt": []}, "prompt is empty"),
        ({**LABELLED, "prompt": 5}, "prompt has the wrong type int"),
        ({**LABELLED, "prompt": ["How?"]}, "prompt has the wrong type list"),
        ({**LABELLED, "prompt": [{"role": "cat", "content": "x"}]}, "role 'cat'"),
        ({**LABELLED, "chosen": 5}, "chosen has the wrong type int"),
        ({**LABELLED, "rejected": " \n"}, "rejected is empty"),
        ({**LABELLED, "rejected": " Like this. "}, "chosen and rejected are equal"),
        ({**LETTERED, "preferred": "c"}, "preferred is 'c'; allowed are a, b or empty"),
        ({**LETTERED, "preferred": 1}, "preferred is 1"),
        ({**LABELLED, "chosen": "x\0"}, "chosen is undecodable: it has a NUL character"),
        ({**LABELLED, "prompt": "x\ud800"}, "prompt is undecodable: no valid text at character 1"),
        ({**LABELLED, "prompt": [{"role": "user", "content": "\0"}]}, "prompt is undecodable"),
        ({**LABELLED, "prompt": '[{"role": "user", "content": "\\u0000x"}]'}, "prompt is undecodable"),
        ({**LABELLED, "source": "\udcff"}, "source is undecodable"),
        ({**LABELLED, "group": ["g"]}, "group has the wrong type list"),
        ({**LABELLED, "annotator": True}, "annotator has the wrong type bool"),
        ({**LABELLED, "role": "train"}, "role 'train' is unknown; allowed are seed, calibration, test"),
        ({**LETTERED, "role": "seed"}, "role 'seed' needs a label"),
    ],
)  # fmt: skip
def test_a_bad_row_says_why(fields: dict[str, Any], reason: str):
    parsed = parse_row(fields)
    assert isinstance(parsed, str)
    assert reason in parsed


def test_deep_nesting_is_a_reason_and_no_crash():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert parse_row({**LABELLED, "extra": deep}) == "a column is nested too deeply"
    while deep:  # taken apart by hand: freeing it at once would recurse as deeply
        deep = deep[0]
