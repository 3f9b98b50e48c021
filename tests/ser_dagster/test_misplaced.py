"""What is put into a wrong place does not land, and is named by the sensor's tick, `ser status` and `ser run`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sensor_fakes import current, reason, requested, tick

from ser.errors import SerError
from ser_dagster.cli import main
from tests.pairs import labelled_rows, write_jsonl

WRONG = [
    "landing/MyData: MyData cannot be the name of a dataset; rename it",
    "landing/loose.jsonl: put it into a dataset's folder",
    "landing/tiny/sub: a folder in a dataset's folder is not looked into; put its files beside it",
]


@pytest.fixture
def wrong(folder: Path) -> Path:
    """A landing folder in which nothing is where it should be."""
    for name in ("MyData/rows.jsonl", "loose.jsonl", "tiny/sub/rows.jsonl", ".hidden/rows.jsonl", "loose.jsonl.tmp"):
        (folder.parent / name).parent.mkdir(exist_ok=True)
        write_jsonl(folder.parent / name, labelled_rows(3))
    (folder.parent / "Empty").mkdir()
    return folder


def test_the_tick_and_the_status_name_it(wrong: Path, data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason(tick()) == f"tiny: nothing has landed yet; passed over: {'; '.join(WRONG)}"
    write_jsonl(wrong / "rows.jsonl", labelled_rows(3))
    first = tick()
    assert requested(first) == [current(data_root)]
    assert WRONG[0] in reason(tick(first.cursor))
    capsys.readouterr()
    assert main(["status"]) == 0
    assert [f"Passed over: {line}" for line in WRONG] == [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("Passed over")
    ]
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["misplaced"] == WRONG


def test_the_tick_names_what_is_misplaced_in_the_inbox(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "away" / "MyData").mkdir(parents=True)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", f"file://{tmp_path / 'away'}")
    said = reason(tick())
    assert "passed over in the inbox: MyData: MyData cannot be the name of a dataset; rename it" in said


def test_a_run_of_an_impossible_name_says_so(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--dataset", "MyData"]) == 1
    error = capsys.readouterr().err
    assert "unknown dataset 'MyData', which cannot be the name of one. No dataset has landed yet." in error
    assert "small letters" in error


def test_a_folder_that_cannot_be_read_stops_no_tick(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_open = os.open

    def refuse(path: str | Path, *arguments: Any, **more: Any) -> int:
        if Path(path).name == "tiny":
            raise PermissionError(13, "Permission denied", str(path))
        return true_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SerError, match=f"Permission denied.*passed over: {WRONG[0]}"):
        tick()
