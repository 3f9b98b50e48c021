"""Every command that a page names is one that there is, with these options."""

import argparse
import re
from pathlib import Path

import pytest

from resources.settings_file import ROOT
from ser_dagster.cli import command_parser
from tests.documented import ELSEWHERE, PAGES, TYPED, commands, mentions


def _inner(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    """The parser of the command, or of its step, that these words name."""
    for word in words:
        steps = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not steps:
            break
        if word not in steps[0].choices:
            assert parser is not command_parser() and re.match(r"[A-Z.…-]", word), f"there is no {word}"
            break
        parser = steps[0].choices[word]
    return parser


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_stands_to_be_typed_is_understood(page: Path) -> None:
    for words in commands(page):
        command_parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_is_named_is_there(page: Path) -> None:
    for said in mentions(page):
        words = said.split()
        known = _inner(command_parser(), words)._option_string_actions
        unknown = [word for word in words if word.startswith("--") and word.partition("=")[0].rstrip(",") not in known]
        assert not unknown, f"ser {said}"


def test_every_page_with_commands_is_typed_by_a_test() -> None:
    assert {page.stem for page in PAGES if any(commands(page))} == {*TYPED, *ELSEWHERE}
    assert all((ROOT / place).is_file() for place in ELSEWHERE.values())


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 40
    assert sum(len(mentions(page)) for page in PAGES) > 100
