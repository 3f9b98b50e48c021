"""`ser audit` for people: what an answer is about, in the width of the terminal, and while the first run is going."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from resources.audit.database import AuditDatabase
from resources.audit.sync import sync
from resources.evolution import Evolution
from resources.landing.zone import Landing
from resources.locks import own_evolution
from resources.settings import Settings
from ser_dagster.cli import main
from tests.resources.audit_fakes import EVOLUTION, SNAPSHOT, record
from tests.terminals import read_to_end

ABOUT = f"evolution {EVOLUTION} (a first try)\ndataset sample, snapshot {SNAPSHOT}, finished 2026-03-01 10:00 UTC\n\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SER_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited")
    sync(AuditDatabase(folder / "audit.duckdb"), record(folder, name="a first try"))
    return folder


@pytest.fixture
def audited(made: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SER_DATA", str(made))
    return made


def begun(root: Path, name: str, settings: Settings) -> str:
    """An evolution that an execution has begun; its full name."""
    work = Evolution(root, settings, SNAPSHOT)
    work.heads.begin(name)
    return work.identity


def test_a_table_says_what_it_is_about(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for query in (["loops"], ["bias"], ["history", "--pair", "p5"]):
        assert main(["audit", *query]) == 0
        said = capsys.readouterr()
        assert said.out.startswith(ABOUT) and said.err == ""
        assert max(map(len, said.out.splitlines())) <= 80
    assert "\nloop 1\n" in said.out and "  reason      neither\n" in said.out
    assert main(["audit", "--sql", "SELECT 1 AS n"]) == 0
    assert capsys.readouterr().out == "n\n─\n1\n\n1 row\n"


def test_what_programs_read_has_no_heading(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "history", "--pair", "p5", "--format", "json"]) == 0
    said = capsys.readouterr()
    assert said.err == f"evolution {EVOLUTION}\n"
    first = json.loads(said.out)[0]
    assert (first["loop"], first["pair_id"], first["response_b"], first["margin"]) == (1, "p5", "Reply p5", -1.0)
    assert first["human_labels"] == [
        {"preferred": "a", "annotator": "ann", "origin": "landed", "labelled_at": "2026-03-01T09:00:00+00:00"}
    ]
    assert main(["audit", "loops", "--format", "csv", "--evolution", "a first try"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("loop,status,ends,") and said.err == ""


def test_an_answer_cannot_command_the_terminal(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT chr(27) || '[31mred' AS \"a\x9b\u202eb\""
    for form in ("csv", "json", "table"):
        assert main(["audit", "--sql", sql, "--format", form]) == 0
        said = capsys.readouterr().out
        assert "\\u001b[31mred" in said and "a\\u009b\\u202eb" in said and not set(said) & set("\x1b\x9b\u202e")
    for asked in (
        ["--sql", "SELECT a\x1b[2J"],
        ["--sql", "SELECT error('\x1b[2J')"],
        ["\x1b[2J"],
        ["loops", "--evolution", "\x1b[2J"],
    ):
        assert main(["audit", *asked]) == 1
        said = capsys.readouterr().err
        assert ("u001b[2J" in said or "x1b[2J" in said) and "\x1b" not in said
    with pytest.raises(SystemExit):
        main(["audit", "loops", "--\x1b[2J"])
    assert "--\\u001b[2J" in capsys.readouterr().err


def test_the_list_of_queries_fits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("  loops               Per loop: status")


def test_the_first_run_is_said_to_be_going(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "loops"]) == 1
    assert "it comes at the end of the first `ser run`." in capsys.readouterr().err
    evolution = begun(root, "mine", Settings())
    assert main(["audit", "loops"]) == 1
    assert "still going" not in capsys.readouterr().err
    with own_evolution(root, evolution, "run-1"):
        for asked in (["loops"], ["loops", "--evolution", "mine"], ["loops", "--evolution", SNAPSHOT[:8]]):
            assert main(["audit", *asked]) == 1
            assert capsys.readouterr().err == (
                f"ser: The first run of {evolution} (mine) is still going: the audit database has it at its end.\n"
                "`ser status` says how far it is; ask again when it has ended.\n"
            )
        assert main(["audit", "--sql", "SELECT 1"]) == 1
        assert f"The first run of {evolution} (mine) is still going" in capsys.readouterr().err
        for asked in (["--evolution", "other"], ["--dataset", "other"]):
            assert main(["audit", "loops", *asked]) == 1
            assert "still going" not in capsys.readouterr().err


def test_the_first_run_of_another_evolution(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = begun(audited, "other", Settings(random_seed=3))
    going = f"The first run of {other} (other) is still going"
    with own_evolution(audited, other, "run-1"), own_evolution(audited, EVOLUTION, "run-2"):
        assert main(["audit", "loops", "--evolution", "other"]) == 1
        assert going in capsys.readouterr().err
        assert main(["audit", "loops"]) == 0
        said = capsys.readouterr()
        assert said.err.startswith(going) and said.err.count("\n") == 1
        assert said.out.startswith(f"evolution {EVOLUTION} (a first try), running now\ndataset sample,")
        assert main(["audit", "--sql", "SELECT 1 AS n", "--format", "csv"]) == 0
        assert capsys.readouterr() == ("n\n1\n", "")
    assert main(["audit", "loops"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_terminal_of_80_columns_is_filled_and_not_overflown(audited: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    code = "from ser_dagster.cli import entry; entry()"
    command = [sys.executable, "-c", code, "audit", "loops"]
    subprocess.run(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = read_to_end(ours)
    lines = shown.splitlines()
    assert max(map(len, lines)) == 80 and "\x1b" not in shown
    assert "rm_version            v-rm-1" in lines


def test_newer_data_than_the_answer_is_about_are_told_of(
    audited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Landing, "datasets", lambda zone: ["sample"])
    newer = f"No evolution of sample-f00 is in the audit yet: this is {EVOLUTION}.\n"
    for current, told in ((SNAPSHOT, ""), ("sample-f00", newer)):
        monkeypatch.setattr(Landing, "current_snapshot", lambda zone, dataset, now=current: now)
        assert main(["audit", "loops"]) == 0
        assert capsys.readouterr().err == told
