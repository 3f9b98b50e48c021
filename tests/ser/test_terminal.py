"""The door to the terminal: no text that is printed commands it, what is shown says what was there, values stay."""

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from resources.console import Terminal
from ser.terminal import guarded_output, move_line, one_line, printable

COMMANDS = [
    *("\x1b[31m", "\x1b]0;title\x07", "\x1bP", "\x9b1m", "\x9d", "\x90", "\x07", "\x08", "\x00", "\x7f", "\x85"),
    *("\x0b", "\x0c", "\x0e", "\r", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029", "\ufeff", "\u200b"),
    *("\U000e0041", "\ud800", "\udfff"),
]  # fmt: skip
HONEST = [
    "",
    "two\nlines\tand a tab",
    "Windows\r\nlines",
    "naïve café",
    "日本語",
    "👨‍👩‍👧 ❤️",
    "نمی‌خواهم",
    "שלום",
    "x² ≤ ∞",
    "a\u00adb",
]

hostile = st.text(st.one_of(st.characters(), st.sampled_from("".join(COMMANDS))))


def obeyed(shown: str) -> set[str]:
    """What is left of commands in a text; a carriage return may only stand before a line feed."""
    controls = {c for c in shown.replace("\r\n", "\n") if unicodedata.category(c) in ("Cc", "Cs")} - {"\n", "\t"}
    order = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    return controls | set(shown) & set(order + "\u2028\u2029\ufeff\u200b\U000e0041")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_shown_instead(command: str) -> None:
    assert printable(f"a{command}b").startswith("a\\u")
    assert json.loads(f'"{printable(command)}"') == command


@pytest.mark.parametrize("text", HONEST)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


@given(hostile)
def test_no_text_commands_the_terminal(text: str) -> None:
    assert obeyed(printable(text)) == set()
    assert printable(printable(text)) == printable(text)
    assert "\n" not in one_line(text) and "\r" not in one_line(text)


@given(st.dictionaries(hostile, st.one_of(hostile, st.integers(), st.lists(hostile))), st.booleans())
def test_a_document_has_the_same_values_behind_the_door(document: dict[str, object], ascii_only: bool) -> None:
    shown = printable(json.dumps(document, ensure_ascii=ascii_only, indent=1))
    assert json.loads(shown) == document and obeyed(shown) == set()


@given(st.lists(hostile))
def test_whatever_is_printed_passes_the_door(texts: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = out, err
        with guarded_output(), guarded_output():
            print(*texts)
            sys.stderr.writelines(texts)
            Terminal(stderr=True).print(*texts, soft_wrap=True)
        assert (sys.stdout, sys.stderr) == (out, err)
    finally:
        sys.stdout, sys.stderr = before
    assert obeyed(out.getvalue()) == obeyed(err.getvalue()) == set()


class Screen(io.StringIO):
    """A terminal that keeps what it was given."""

    def isatty(self) -> bool:
        return True


def test_rich_commands_the_terminal_and_its_texts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    table = Table("[red]head\x1b[2J", title="\u202etitle")
    table.add_row("[link=http://x]cell\x9b2J")
    with guarded_output():
        Terminal().print(table, ":cat:", Text("styled\x1b[2J", style="bold"))
    shown = screen.getvalue()
    assert "\x1b[1m" in shown and "[red]head\\u001b[2J" in shown and "\\u202etitle" in shown and ":cat:" in shown
    assert "[link=http://x]cell\\u009b2J" in shown and "styled\\u001b[2J" in shown
    assert "\x1b[2J" not in shown and not set(shown) & set("\x9b\u202e")


def test_a_line_that_moves_is_of_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with guarded_output():
        move_line("label\x1b[2J: 1/2", stays=False)
        move_line("label: 2/2", stays=True)
    assert screen.getvalue() == "\r\x1b[Klabel\\u001b[2J: 1/2\r\x1b[Klabel: 2/2\n"


def test_an_encoding_that_lacks_a_character_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(behind, "ascii"))
    with guarded_output():
        print("caf\xe9 \x1b \ud800", flush=True)
    assert behind.getvalue() == b"caf\\xe9 \\u001b \\ud800\n"
