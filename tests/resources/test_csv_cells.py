"""No text of a CSV export is a formula to a spreadsheet, and no number becomes a text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.audit.render import render
from resources.spreadsheet import shown

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")', "＝1", "-", "\tx"]
BLANKS = [" ", "   \t", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u200e", "\u202e", "\u00ad", "\x00", "\x0b",
          "\x1b", "\u3164", "\u2800", "\ufe0f", "\u034f", "\u2060", "\U000e0041", "\x85", "\u2028"]  # fmt: skip
SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫"


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text: str) -> None:
    assert shown(text) == "'" + text


@pytest.mark.parametrize("blank", BLANKS)
def test_a_formula_behind_what_shows_nothing_is_text(blank: str) -> None:
    for sign in SIGNS:
        text = f"{blank}{sign}1+1"
        assert shown(text) == "'" + text


@pytest.mark.parametrize(
    "value", [-1, -0.5, 1e300, None, True, "text", "1=1", "", "'=1", " x", "  ", "(-1)", "\u200bx", "é=1"]
)
def test_anything_else_stays(value: Any) -> None:
    assert shown(value) is value


@pytest.mark.parametrize("sign", SIGNS)
def test_a_formula_behind_a_semicolon_is_text_where_that_begins_a_cell(sign: str) -> None:
    assert shown(f"x;{sign}1;y; \t{sign}2") == f"x;'{sign}1;y; \t'{sign}2"


@given(st.text(st.characters() | st.sampled_from(SIGNS + "; ")))
def test_a_cell_shows_the_whole_text(text: str) -> None:
    assert shown(text).replace("'", "") == text.replace("'", "")
    assert len(shown(text)) <= len(text) + 1 + text.count(";")
    for cell in (shown(text), *shown(text).split(";")):
        assert not cell.strip().startswith(tuple(SIGNS))


def test_the_audit_writes_such_cells() -> None:
    text = render(["=cmd", "n"], [("=1+1", -0.5), ("fine", -3), (["=x"], None)], "csv")
    assert text == '\'=cmd,n\n\'=1+1,-0.5\nfine,-3\n"[""=x""]",\n'
