"""Texts from pairs stay texts in the tables that the UI shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assets.examples import shown
from ser.data.pairs import readable_prompt

EVIL = [
    "a | b | c", "<script>alert(1)</script>", "![x](http://x/y.png)", "[x](javascript:alert(1))", "`code`", "**b**",
    "\n\n# heading\n\n- list", "| --- |\n| x |", "&lt;img src=x onerror=alert(1)&gt;", "\\| \\", "~~gone~~", "$x$",
    "\u2028| x", "\x0b|\x0c", "<!-- ", "]]>", "\0", "&#124;", "http://evil.example",
]  # fmt: skip


def tokens_of(prompt: str, one: str, other: str) -> list[str]:
    """The kinds of everything that a reader of Markdown finds in what is shown of one pair."""
    messages = f'[{{"role":"user","content":{_json(prompt)}}}]'
    text = shown([(readable_prompt(messages), one, other, 0.9, "p_a 0.9 > 0.55 | p_b 0.1 < 0.45")])
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    found = []
    for token in reader.parse(text):
        found += [token.type, *(child.type for child in token.children or [])]
    return found


def _json(text: str) -> str:
    import json

    return json.dumps(text)


def check(prompt: str, one: str, other: str) -> None:
    found = tokens_of(prompt, one, other)
    assert found.count("table_open") == 1
    assert found.count("tr_open") == 4
    assert found.count("td_open") == 6 and found.count("th_open") == 2
    structure = {kind for kind in found if not kind.startswith(("table", "thead", "tbody", "tr_", "th_", "td_"))}
    assert structure <= {"inline", "text", "text_special"}


@pytest.mark.parametrize("text", EVIL)
def test_a_text_cannot_leave_its_cell(text: str) -> None:
    check(text, text, text)


def test_a_long_text_and_a_long_word_end_with_dots() -> None:
    rows = shown([("please " * 40, "x" * 25, "y" * 24, 0.9, "p 0.9")]).splitlines()
    prompt, one, other = f"{('please ' * 40)[:160]}…", f"{'x' * 24}…", "y" * 24
    assert rows[0] == "| confidence 0.90 | p 0.9 |"
    assert rows[2:] == [f"| prompt | {prompt} |", f"| preferred | {one} |", f"| other | {other} |"]


@given(st.text(), st.text(alphabet="|<>`*_[]()!&\\~#-=+ \n:/\"'", max_size=40), st.text())
def test_no_text_can(prompt: str, one: str, other: str) -> None:
    check(prompt, one, other)
