"""A waiting file that cannot be opened is told, by the sensor and by `ser run`, and what else waits goes on."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from sensor_fakes import counts, current, requested, tick

from resources.evolution import Evolution
from ser.errors import SerError
from ser_dagster.commands import run as module
from tests.pairs import labelled_rows, write_jsonl

TOLD = "dataset 'tiny': 'closed.jsonl' cannot be read (Input/output error) and waits; the other files have landed."


@pytest.fixture
def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in a bad place of the disk, beside a good one."""
    true_open = os.open

    def fail(path: str | Path, *arguments: Any, **more: Any) -> int:
        if Path(path).name == "closed.jsonl":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return true_open(path, *arguments, **more)

    (folder / "closed.jsonl").write_bytes(b"{}\n")
    write_jsonl(folder / "good.jsonl", labelled_rows(3))
    monkeypatch.setattr(os, "open", fail)
    return folder / "closed.jsonl"


def test_the_sensor_lands_the_others_and_requests_their_run(
    closed: Path, data_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = tick()
    assert requested(first) == [current(data_root)]
    assert counts(data_root) == (3, 0)
    assert TOLD in capfd.readouterr().err
    with pytest.raises(SerError, match=r"tiny: nothing new since .*; dataset 'tiny': 'closed.jsonl' cannot be read"):
        tick(first.cursor)
    write_jsonl(closed.parent / "more.jsonl", labelled_rows(3, seed=1))
    assert requested(tick(first.cursor)) == [current(data_root)]
    assert counts(data_root) == (6, 0)


def test_ser_run_names_the_file_in_one_line_and_goes_on(
    closed: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: list[str] = []

    def execute(instance: object, evolution: Evolution, *_: object) -> None:
        run.append(evolution.snapshot)
        raise SerError("that is enough")

    monkeypatch.setattr(module, "_execute", execute)
    with pytest.raises(SerError, match="enough"):
        module.run("tiny")
    assert run == [current(data_root)]
    assert counts(data_root) == (3, 0)
    first, *roles = capsys.readouterr().err.splitlines()
    assert first == f"ser: {TOLD} Make it readable, or take it away."
    assert roles[0].startswith("ser: tiny: ") and " calibration, " in roles[0]
