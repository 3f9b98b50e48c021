"""Anybody's SQL is answered by a process that can be ended, in pieces, whatever the SQL does."""

import csv
import io
import json
import signal
from pathlib import Path

import psutil
import pytest

from resources.audit.answer import ask_worker
from resources.audit.database import AuditDatabase
from ser.errors import SerError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = AuditDatabase(tmp_path_factory.mktemp("answer") / "audit.duckdb")
    with database.writing():
        pass
    return database.path


def workers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "resources.audit.worker" in one.cmdline()]


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_json_is_a_list_of_objects_however_many_there_are(path: Path, rows: int) -> None:
    text = "".join(ask_worker(path, f"SELECT range AS n, [range] AS l, 'a\n\x1b' AS t FROM range({rows})", "json"))
    assert json.loads(text) == [{"n": n, "l": [n], "t": "a\n\x1b"} for n in range(rows)]
    assert text.startswith("[") and text.endswith("]\n") and "\x1b" not in text


def test_csv_keeps_lines_and_shows_controls(path: Path) -> None:
    texts = ["one\r\ntwo", "a\rb", "\x1b[2J", "' =1", " =1", "naïve 👩‍👧"]
    listed = ", ".join("(" + " || ".join(f"chr({ord(c)})" for c in text) + ")" for text in texts)
    written = "".join(ask_worker(path, f"SELECT * FROM (VALUES {listed}) AS t(text)", "csv"))
    shown = ["one\r\ntwo", "a\\u000db", "\\u001b[2J", "' =1", "' =1", "naïve 👩‍👧"]
    assert list(csv.reader(io.StringIO(written, newline=""))) == [["text"], *([one] for one in shown)]


def test_a_table_shows_so_many_rows_and_says_that_there_are_more(path: Path) -> None:
    text = "".join(ask_worker(path, "SELECT * FROM range(1000000000000)", "table"))
    *_, last, empty, said = text.splitlines()
    assert (last.strip(), empty, said) == (
        "9999",
        "",
        "the first 10,000 rows; --format csv or json gives the others too",
    )


def test_rows_come_while_the_query_works_and_it_ends_with_its_reader(path: Path) -> None:
    for form in ("csv", "json"):
        pieces = ask_worker(path, "SELECT * FROM range(1000000000000)", form)
        assert len(next(pieces) + next(pieces)) > 0 and len(workers()) == 1
        pieces.close()
        assert workers() == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
        "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",  # which looks at no interrupt
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
    ],
)
def test_what_never_ends_is_ended(path: Path, sql: str) -> None:
    with pytest.raises(SerError, match=r"^The query was ended after \d seconds\.\nAsk for less.*duckdb -readonly .*$"):
        for _ in ask_worker(path, sql, "csv", seconds=2):
            pass
    assert workers() == []


@pytest.mark.parametrize("sql", ["SELECT range(4000000000)", "SELECT unnest(range(4000000000))"])
def test_what_needs_too_much_memory_says_how_to_go_on(path: Path, sql: str) -> None:
    with pytest.raises(
        SerError, match=r"^The query needs more than the .* GB of memory that it may use\.\nAsk for less"
    ):
        list(ask_worker(path, sql, "csv"))


def test_a_query_that_takes_its_process_with_it_is_told_of(path: Path) -> None:
    pieces = ask_worker(path, "SELECT * FROM range(1000000000000)", "csv")
    next(pieces)
    [worker] = workers()
    worker.send_signal(signal.SIGSEGV)
    with pytest.raises(SerError, match=r"has ended the process that worked on it \(SIGSEGV\)\.\nAsk for less"):
        list(pieces)


def test_an_error_in_the_middle_is_an_error(path: Path) -> None:
    many = "repeat(CASE WHEN range < 40000 THEN 'x' ELSE error('boom') END, 1000)"  # more than DuckDB works ahead
    sql = f"SELECT range AS n, {many} AS text FROM range(50000)"
    given = []
    with pytest.raises(SerError, match=r"^SQL: Invalid Input Error: boom$"):
        given.extend(ask_worker(path, sql, "json"))
    assert "".join(given).startswith('[\n  {\n    "n": 0,\n    "text": "xxx')


def test_what_lies_in_the_folder_is_not_imported(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "duckdb", "resources", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert list(ask_worker(path, "SELECT 1 AS n", "csv")) == ["n\n1\n", ""]
    assert not (tmp_path / "run").exists()


def test_wrong_sql_is_explained(path: Path) -> None:
    for sql, said in (("SELEC 1", r"^SQL: Parser Error"), ("SELECT 1; SELECT 2", "give one SELECT"), ("", "give one")):
        with pytest.raises(SerError, match=said) as error:
            list(ask_worker(path, sql, "table"))
        assert len(str(error.value).splitlines()) <= 2


def test_a_process_that_ends_before_it_has_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(SerError, match="ended with exit code 1"):
        list(ask_worker(tmp_path / "audit.duckdb", f"SELECT '{'x' * 10**6}'", "json"))
