"""docs/words.md: what it names as a place to see a word is there."""

import re
from collections.abc import Callable
from functools import cache

import duckdb
import pytest

from assets.graph import graph
from resources.audit.queries import named_queries
from resources.audit.schema import apply_schema
from resources.settings import Settings
from resources.settings_errors import is_setting
from resources.settings_file import ROOT
from ser_dagster.cli import command_parser

TEXT = (ROOT / "docs" / "words.md").read_text()
ROWS = re.findall(r"^\| \*\*(.+)\*\* \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
PLACES = re.compile(r"(asset|check|column|command|setting|table)s? (`[^`]+`(?:, `[^`]+`)*)")


@cache
def assets_and_checks() -> tuple[set[str], set[str]]:
    """The asset keys, those of loops with `k` for the number, and the names of the checks."""
    assets, checks = graph(Settings())
    names = {key.to_user_string() for asset in assets for key in asset.keys}
    return {re.sub(r"^loop_\d+/", "loop_k/", name) for name in names}, {
        key.name for check in checks for key in check.check_keys
    }


@cache
def columns() -> set[tuple[str, str]]:
    """Every table and view of the audit database with each of its columns."""
    with duckdb.connect() as connection:
        apply_schema(connection)
        return set(
            connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
        )


def is_command(line: str) -> bool:
    """Whether `ser` takes these commands, steps and options, and a named query after `audit`."""
    ser, *words = line.split()
    parser = command_parser()
    for word in words:
        steps = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
        if word.startswith("-"):
            known = word in parser._option_string_actions
        elif steps:
            known = word in steps[0]
            parser = steps[0].get(word, parser)
        else:
            known = parser.prog == "ser audit" and word in named_queries()
        if not known:
            return False
    return ser == "ser" and len(words) > 0


KNOWN: dict[str, Callable[[str], bool]] = {
    "asset": lambda name: name in assets_and_checks()[0],
    "check": lambda name: name in assets_and_checks()[1],
    "column": lambda name: tuple(name.split(".")) in columns(),
    "command": is_command,
    "setting": lambda name: is_setting(name.split(".")),
    "table": lambda name: name in {table for table, _ in columns()},
}


def test_words_stand_in_the_order_of_the_alphabet_each_with_a_sentence_or_two() -> None:
    words = [word for word, _, _ in ROWS]
    assert words == sorted(set(words), key=str.casefold) and len(words) > 60
    for word, meaning, _ in ROWS:
        assert 1 <= len(re.findall(r"\.(?= |$)", meaning)) <= 2 and meaning.endswith("."), word
        assert "`" not in meaning, f"{word}: a name belongs into the last column, where it is looked up"


@pytest.mark.parametrize(("word", "places"), [(word, places) for word, _, places in ROWS], ids=[row[0] for row in ROWS])
def test_what_a_word_names_is_there(word: str, places: str) -> None:
    for place in places.split("; "):
        named = PLACES.fullmatch(place)
        assert named, f"{word}: {place}"
        for name in re.findall(r"`([^`]+)`", named[2]):
            assert KNOWN[named[1]](name), f"{word}: there is no {named[1]} {name}"


def test_nothing_else_on_the_page_is_a_row_or_a_name() -> None:
    assert len(ROWS) == len([line for line in TEXT.splitlines() if line.startswith("|")]) - 2
    outside = re.sub(r"^\|.*$", "", TEXT, flags=re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", outside)) == {"loop_k", "loop_1", "loop_2"}


@pytest.mark.parametrize(
    ("kind", "there", "not_there"),
    [
        ("asset", "loop_k/self_labels", "loop_k/labels"),
        ("check", "labels_are_stable", "labels_are_right"),
        ("column", "self_labels.kept", "pairs.kept"),
        ("command", "ser audit history --pair", "ser audit pairs"),
        ("command", "ser review export", "ser review send"),
        ("command", "ser run --name", "ser run --called"),
        ("setting", "roles.draw", "roles.drawn"),
        ("table", "loop_watch", "loop_watcher"),
    ],
)
def test_what_is_not_there_is_found_out(kind: str, there: str, not_there: str) -> None:
    assert KNOWN[kind](there) and not KNOWN[kind](not_there)


def test_commands_are_read_to_their_end() -> None:
    assert not is_command("ser") and not is_command("make test") and not is_command("ser status store")
