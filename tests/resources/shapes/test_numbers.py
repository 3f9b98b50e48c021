"""Numbers as labels beside numbered columns: read only where the file shows what they count."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.landing.shapes.mapping import ColumnMap
from tests.resources.shapes.layouts_judged import helpsteer3, safe_rlhf, shp
from tests.resources.shapes.reading import Pair, pairs_of

FIRST = Pair("Best soup?", "Lentil.", "No idea.")
SECOND = Pair("Best soup?", "No idea.", "Lentil.")


def rows(one: str, other: str, *labels: Any, column: str = "best") -> list[dict[str, Any]]:
    return [{"prompt": "Best soup?", one: "Lentil.", other: "No idea.", column: label} for label in labels]


@pytest.mark.parametrize("column", ["best", "winner", "preferred"])
def test_one_and_two_are_read_where_a_two_was_seen(column: str) -> None:
    for one, two in product((1, "1", 1.0, "1.0", " 1 "), (2, "2", 2.0, "2.0")):
        assert pairs_of(*rows("answer1", "answer2", one, two, "tie", column=column))[:2] == [FIRST, SECOND]


def test_naught_and_one_are_read_beside_columns_that_are_numbered_so() -> None:
    assert pairs_of(*rows("response_0", "response_1", 0, "1.0")) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("one", "other", "labels", "hint"),
    [
        ("answer1", "answer2", (0, 1, 1, 0), "0=a,1=b"),
        ("answer1", "answer2", (1, 1), "1=a or 1=b"),
        ("answer1", "answer2", (1, 2, 3, 4, 5), "1=a,2=a,3=tie,4=b,5=b"),
        ("answer1", "answer2", (0, 1, 2), "NUMBER=a,NUMBER=b,NUMBER=tie"),
        ("answer1", "answer2", (1, 2, -1), "-1=a,1=tie,2=b"),
        ("answer1", "answer2", (1, 2, 1.5), "1=a,1.5=tie,2=b"),
        ("response_0", "response_1", (1, 2), "1=a,2=b"),
        ("response_0", "response_1", (1, 1), "1=a or 1=b"),
    ],
)
def test_other_numbers_are_refused_in_the_whole_file(one: str, other: str, labels: tuple[Any, ...], hint: str) -> None:
    found = pairs_of(*rows(one, other, *labels))
    assert found == [
        f"'best' says '{label}', which could mean either response: say which, --values {hint}" for label in labels
    ]


def test_a_number_after_the_first_look_is_refused() -> None:
    found = pairs_of(*rows("answer1", "answer2", *(1, 2) * 300, 0))
    assert found[:2] == [FIRST, SECOND] and isinstance(found[-1], str) and "could mean either" in found[-1]


def test_values_win() -> None:
    found = pairs_of(*rows("answer1", "answer2", 1, 0, "1.0"), mapping=ColumnMap(values={"1.0": "b", "0": "a"}))
    assert found == [SECOND, FIRST, SECOND]
    (found_one, found_two) = pairs_of(*rows("answer1", "answer2", 1, 2), mapping=ColumnMap(values={"1": "b"}))
    assert found_one == SECOND and isinstance(found_two, str)


def farm(preference: Any) -> dict[str, Any]:
    return {"instruction": "Best soup?", "output_1": "Lentil.", "output_2": "No idea.", "preference": preference}


def test_alpaca_farm_is_read_by_evidence() -> None:
    tie = Pair("Best soup?", "Lentil.", "No idea.", labelled=False)
    assert pairs_of(farm(1.0), farm("2.0"), farm(1.5)) == [FIRST, SECOND, tie]
    assert all(isinstance(found, str) for found in pairs_of(farm(0), farm(1)))


@pytest.mark.parametrize("form", [int, float, str, lambda number: f"{number}.0"])
def test_declared_numbers_need_no_evidence(form: Any) -> None:
    assert pairs_of({**shp(1), "labels": form(1)}) == [FIRST]
    assert pairs_of({**shp(1), "labels": form(0)}) == [SECOND]
    assert pairs_of({**safe_rlhf(1), "better_response_id": form(1)}) == [FIRST]
    (found,) = pairs_of({**helpsteer3(1), "overall_preference": form(-2)})
    assert isinstance(found, Pair) and found.better == "Lentil."


@given(st.lists(st.sampled_from((0, 1)), min_size=1), st.booleans())
def test_an_index_beside_one_and_two_never_becomes_a_label(labels: list[int], text: bool) -> None:
    said = [str(label) if text else label for label in labels]
    assert all(isinstance(found, str) for found in pairs_of(*rows("answer1", "answer2", *said)))
