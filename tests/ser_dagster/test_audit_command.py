"""`ser audit`: options that would not be used are wrong use, and a reader may leave before the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from resources.audit.database import AuditDatabase
from ser_dagster.cli import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SER_DATA", str(tmp_path))
    with AuditDatabase(tmp_path / "audit.duckdb").writing():
        pass
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sql", "SELECT 1", "--evolution", "x"], "--evolution is for named queries"),
        (["--sql", "SELECT 1", "--dataset", "x"], "--dataset is for named queries"),
        (["--sql", "SELECT 1", "--pair", "x"], "--pair is for the query history"),
        (["loops", "--pair", "x"], "--pair is for the query history"),
        (["--pair", "x"], "--pair is for the query history"),
        (["--evolution", "x"], "--evolution is for named queries"),
        (["--format", "json"], "--format is for answers"),
        (["loops", "--sql", "SELECT 1"], "give a named query or --sql, not both"),
        (["--rebuild", "loops"], "--rebuild makes the database again and answers nothing"),
        (["--rebuild", "--sql", "SELECT 1"], "--rebuild makes the database again and answers nothing"),
        (["--rebuild", "--format", "csv"], "--format is for answers"),
    ],
)
def test_an_option_that_would_not_be_used_is_wrong_use(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["audit", *arguments])
    said = capsys.readouterr()
    assert end.value.code == 2
    assert f"ser audit: error: {message}" in said.err and said.out == ""


def test_what_is_used_is_answered(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit"]) == 0
    assert "  loops " in capsys.readouterr().out
    assert main(["audit", "--sql", "SELECT 1 AS n", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "n\n1\n"
    assert main(["audit", "nonsense", "--pair", "x"]) == 1
    assert "There is no audit query 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_reader_that_leaves_is_no_failure_to_tell_of(root: Path, rows: int) -> None:
    code = "from ser_dagster.cli import entry; entry()"
    command = [sys.executable, "-c", code, "audit", "--format", "csv", "--sql", f"SELECT * FROM range({rows})"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
