"""How rows of the audit are shown to people: a table that fits, else records; rounded, whole, and harmless."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from audit_fakes import EVOLUTION, artifact, landed, named, record
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from resources.audit.database import AuditDatabase, query
from resources.audit.heading import heading
from resources.audit.history import render_history
from resources.audit.layout import terminal_width
from resources.audit.queries import named_queries, run_named
from resources.audit.render import render
from resources.audit.sync import sync

IDENTITY = "0123456789abcdef01234567"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> AuditDatabase:
    folder = tmp_path_factory.mktemp("audit")
    made = AuditDatabase(folder / "audit.duckdb", patience=0.3)
    sync(made, record(folder, name="a first try"))
    return made


def widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()))


def test_columns_that_fit_are_a_table() -> None:
    columns, rows = ["pair_id", "kept", "confidence"], [(IDENTITY, True, 0.51234), (IDENTITY[::-1], False, None)]
    assert render(columns, rows, width=80) == (
        "pair_id                   kept  confidence\n"
        "──────────────────────────────────────────\n"
        "0123456789abcdef01234567  yes        0.512\n"
        "76543210fedcba9876543210  no\n"
        "\n"
        "2 rows\n"
    )


def test_a_text_may_take_three_lines_of_its_column() -> None:
    shown = render(["pair_id", "why"], [(IDENTITY, "one two three four five six seven eight")], width=42)
    assert shown.splitlines()[2:5] == [
        f"{IDENTITY}  one two three",
        f"{'':26}four five six",
        f"{'':26}seven eight",
    ]


def test_columns_that_do_not_fit_are_records_with_whole_values() -> None:
    text = "a long text of many words, " * 9 + "[b]end[/b] :cat:"
    shown = render(["pair_id", "kept", "prompt"], [(IDENTITY, True, text), (IDENTITY, None, "x" * 99)], width=40)
    assert widest(shown) == 40
    lines = shown.splitlines()
    assert lines[:4] == [
        "── row 1 of 2 ──────────────────────────",
        f"pair_id  {IDENTITY}",
        "kept     yes",
        "prompt   a long text of many words, a",
    ]
    assert text in " ".join(line[9:] for line in lines[3:] if line.startswith((" ", "prompt")))
    assert "x" * 99 in "".join(line.strip().removeprefix("prompt   ") for line in lines)
    assert lines[-2:] == ["", "2 rows"]


def test_paragraphs_of_a_text_stay() -> None:
    assert render(["prompt"], [("One.\r\n\r\n  Two.\tThree",)], width=200).splitlines()[1:4] == [
        "prompt  One.",
        "",
        "          Two.  Three",
    ]


def test_no_rows() -> None:
    assert render(["a"], []) == "no rows\n"


TEXT = st.text(st.characters(exclude_characters="…"), max_size=60)
"""Without the sign of something that was cut."""


@settings(max_examples=12)
@given(st.lists(st.tuples(TEXT, TEXT, st.integers()), min_size=1, max_size=3), st.integers(20, 120))
def test_nothing_is_wider_than_the_terminal_nor_lost(rows: list[tuple[str, str, int]], width: int) -> None:
    shown = render(["one", "other", "n"], rows, width=width)
    assert widest(shown) <= max(width, 20)
    printed = "".join(shown.split())
    for row in rows:
        assert str(row[2]) in printed
        for text in row[:2]:
            assert "…" not in printed
            assert all(c in printed for c in text if c.isalnum() and cell_len(c) == 1)


@pytest.mark.parametrize("name", ["\x1b[31mred\x07", "a\u202eb", "\u009b1m", "a\rb", "a\x08b", "\x1b]0;title\x07"])
def test_a_text_cannot_command_the_terminal(name: str) -> None:
    for width in (20, 200):
        shown = render([name], [(name,), ([name],), ("[b]y :cat:",)], width=width)
        assert not set(shown) & set("\x1b\x07\u202e\u009b\r\x08")
        assert "[b]y:cat:" in "".join(shown.split())
    assert json.loads(render(["a"], [(name,)], "json")) == [{"a": name}]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.1234567, 12.5, 3.0], ["0.123", "12.500", "3.000"]),
        ([0.5, 1.0, -0.0], ["0.5", "1.0", "0.0"]),
        ([600.0, 7.0], ["600", "7"]),
        ([0.000012345, 0.5, 2e20], ["1.2e-05", "0.5", "2e+20"]),
        ([Decimal("0.12345"), Decimal("2.5")], ["0.123", "2.500"]),
        ([float("nan"), float("-inf"), 0.25], ["nan", "-inf", "0.25"]),
        ([[0.9512, 0.5], [1]], ["0.951 → 0.500", "1"]),
        ([123456789, True, None], ["123456789", "yes", ""]),
    ],
)
def test_numbers_are_rounded_for_people(values: list[object], shown: list[str]) -> None:
    lines = render(["n", "value"], list(enumerate(values)), width=80).splitlines()[2:-2]
    assert [line[1:].strip() for line in lines] == shown


def test_json_and_csv_are_not_rounded(database: AuditDatabase) -> None:
    third, tenth = 1 / 3, Decimal("0.1234567890123456789012")
    columns, rows = ["a", "b", "c"], [(third, tenth, Decimal("2.50"))]
    assert json.loads(render(columns, rows, "json")) == [{"a": third, "b": str(tenth), "c": 2.5}]
    assert render(columns, rows, "csv") == f"a,b,c\n{third!r},{tenth},2.50\n"
    columns, rows = run_named(database.path, "loops", EVOLUTION)
    exact = query(
        database.path, "SELECT test_ci_low FROM loop_summary WHERE evolution = $e ORDER BY loop", {"e": EVOLUTION}
    )[1]
    assert [row["ci_low"] for row in json.loads(render(columns, rows, "json"))] == [low for (low,) in exact]
    assert [row["ci_low"] for row in csv.DictReader(io.StringIO(render(columns, rows, "csv")))] == [
        "" if low is None else repr(low) for (low,) in exact
    ]


def test_named_queries_fit(database: AuditDatabase) -> None:
    for name in named_queries():
        columns, rows = run_named(database.path, name, EVOLUTION, pair="p5" if name == "history" else None)
        for width in (40, 80, 190):
            assert widest(render(columns, rows, width=width)) <= width


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    assert terminal_width() == 61
    assert widest(render(["a"], [("word " * 99,)])) == 61


def test_the_heading_says_what_the_answer_is_about(database: AuditDatabase, tmp_path: Path) -> None:
    assert heading(database.path, EVOLUTION, width=80) == (
        f"evolution {EVOLUTION} (a first try)\n"
        "dataset sample, snapshot sample-0123456789ab, finished 2026-03-01 10:00 UTC\n"
    )
    begun = named(
        {"landed_pairs": landed(tmp_path), "seed_rm": artifact(tmp_path, "seed_rm", "v-rm")}, "mine-01", "mine"
    )
    sync(database, begun)
    assert heading(database.path, begun.evolution, running=True, width=80) == (
        f"evolution {begun.evolution}, running now\ndataset mine, snapshot mine-01, not finished\n"
    )


def test_a_history_is_the_pair_and_a_block_for_each_loop(database: AuditDatabase) -> None:
    text = "Answer p5 " + "long " * 12
    columns, rows = run_named(database.path, "history", EVOLUTION, pair="p5")
    shown = render_history(columns, rows, width=90)
    pair, *loops = shown.split("\n\n")
    assert pair.splitlines() == [
        "pair_id       p5",
        "prompt        Question p5?",
        f"response_a    {text.strip()}",
        "response_b    Reply p5",
        "human_labels  a, by ann (landed 2026-03-01 09:00:00Z)",
        "vault         a",
    ]
    assert [block.splitlines()[0] for block in loops] == ["loop 1", "loop 2"]
    assert loops[0].splitlines() == [
        "loop 1",
        "  reward_a    -1",
        "  reward_b    0",
        "  margin      -1",
        "  p_a         0.7",
        "  p_b         0.4",
        "  spread",
        "  confidence  0.66",
        "  preferred   b",
        "  rule        none",
        "  kept        no",
        "  reason      neither",
        "  target      0",
        "  weight      0",
        "  rm_version  v-rm-0",
        "  run_id      run-1",
        "  scored_at   2026-03-01 10:00:05Z",
    ]
    narrow = render_history(columns, rows, width=40)
    assert widest(narrow) <= 40 and text.strip() in " ".join(narrow.split())


def test_a_history_of_a_pair_that_nobody_has_labelled(database: AuditDatabase) -> None:
    shown = render_history(*run_named(database.path, "history", EVOLUTION, pair="p8"), width=80)
    assert "human_labels  nobody has labelled it\nvault         its label is not in the vault\n" in shown
