"""No text of a CSV export is a formula to a spreadsheet, and no number becomes a text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.audit.render import render
from resources.spreadsheet import shown

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")', "＝1", "-"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text: str) -> None:
    assert shown(text) == "'" + text


@pytest.mark.parametrize("value", [-1, -0.5, 1e300, None, True, "text", "1=1", "", " =1", "'=1"])
def test_anything_else_stays(value: Any) -> None:
    assert shown(value) is value


@given(st.text())
def test_a_cell_shows_the_whole_text(text: str) -> None:
    assert shown(text) in (text, "'" + text)
    assert not shown(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_the_audit_writes_such_cells() -> None:
    text = render(["=cmd", "n"], [("=1+1", -0.5), ("fine", -3), (["=x"], None)], "csv")
    assert text == '\'=cmd,n\n\'=1+1,-0.5\nfine,-3\n"[""=x""]",\n'
