"""A comparison is checked by itself."""

import json
from typing import Any

import pytest

from resources.landing.comparison import MAX_TEXT, Comparison, Row, asked_role, check_row, name_of, text_of


def row(one: str = "Like this.", other: str = "No.", first: bool | None = True, **about: Any) -> Row:
    return check_row(Comparison("How?", one, other, first, **about), {})


def preferred_text(checked: Row) -> str:
    return checked.pair.response_a if checked.preferred == "a" else checked.pair.response_b


def test_the_order_of_the_responses_says_nothing():
    chosen = row()
    assert preferred_text(chosen) == "Like this."
    assert row("No.", " Like this.\n", False) == chosen
    assert chosen.annotator == "" and chosen.source is chosen.group is chosen.role is None


def test_the_label_does_not_move_the_responses():
    for number in range(50):
        one, other = f"one {number}", f"two {number}"
        a, b, none = (row(one, other, first) for first in (True, False, None))
        assert a.pair == b.pair == none.pair
        assert {a.preferred, b.preferred} == {"a", "b"}
        assert preferred_text(a) == one
        assert none.preferred is None


def test_names_and_metadata():
    said = Comparison("How?", "a", "b", True, group=7, source=" web ", annotator=3.0)
    checked = check_row(said, {"x": [1], "id": 12})
    assert (checked.group, checked.source, checked.annotator) == ("7", "web", "3")
    assert checked.metadata == '{"id": 12, "x": [1]}'
    assert json.loads(check_row(said, {"d": object}).metadata) == {"d": "<class 'object'>"}


def test_a_judge_never_decides_a_role():
    assert row(annotator="judge", role="test").role is None
    assert row(annotator="ann", role="test").role == "test"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no 'chosen'"),
        (" \n", "'chosen' is empty"),
        (True, "'chosen' has the wrong type 'bool'"),
        (["x"], "'chosen' has the wrong type 'list'"),
        ("x" * (MAX_TEXT + 1), "a response of 1000001 bytes"),
        ("é" * (MAX_TEXT // 2 + 1), "a response of 1000002 bytes"),
    ],
)
def test_what_is_no_response_says_why(value: Any, reason: str):
    with pytest.raises(ValueError, match=reason):
        text_of("chosen", value)


def test_a_response_may_be_as_long_as_the_limit():
    assert len(text_of("chosen", "x" * MAX_TEXT)) == MAX_TEXT
    assert text_of("chosen", 4) == "4"


@pytest.mark.parametrize("value", [True, ["g"], "\udcff", "x\0"])
def test_what_is_no_name_is_refused(value: Any):
    with pytest.raises(ValueError, match="'group'"):
        name_of("group", value)


def test_roles_of_rows():
    assert [asked_role(name, True) for name in (None, "Test", "training", "valid")] == [
        None,
        "test",
        "train",
        "calibration",
    ]
    assert asked_role("train", False) == "train"
    with pytest.raises(ValueError, match="role 'seed' needs a label"):
        asked_role("seed", False)
    with pytest.raises(ValueError, match="role 'user' is unknown; allowed are seed, calibration, test"):
        asked_role("user", True)


def test_escaped_characters_are_no_nul():
    said = Comparison("a backslash: \\u0000", "a", "b", True)
    assert "u0000" in check_row(said, {}).pair.prompt
    with pytest.raises(ValueError, match="the prompt has a NUL character"):
        check_row(Comparison("\0x", "a", "b", True), {})
    with pytest.raises(ValueError, match="half of a character"):
        check_row(Comparison("x", "a", "\ud800", True), {})


def test_deep_nesting_is_a_reason_and_no_crash():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="a column is nested too deeply"):
        check_row(Comparison("How?", "a", "b", True), {"extra": deep})
    while deep:  # taken apart by hand: freeing it at once would recurse as deeply
        deep = deep[0]
