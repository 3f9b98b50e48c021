"""Files that keep coming do not keep those that wait from landing for ever."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sensor_fakes import Clock, counts, current, reason, requested, tick

from tests.pairs import labelled_rows, write_jsonl

QUIET = 0.2


@pytest.fixture
def patient(folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("SER_AUTOMATION__QUIET_SECONDS", str(QUIET))
    return clock


def put(folder: Path, number: int, clock: Clock) -> Path:
    """A file that comes a moment before the sensor looks."""
    path = write_jsonl(folder / f"{number}.jsonl", labelled_rows(3, seed=number))
    looked = path.stat().st_ctime + QUIET / 10
    clock.time = lambda: looked
    return path


def test_what_waits_lands_when_the_oldest_has_waited_ten_quiet_periods(
    folder: Path, data_root: Path, patient: Clock
) -> None:
    oldest = put(folder, 0, patient).stat().st_ctime
    time.sleep(2 * QUIET)
    put(folder, 1, patient)
    assert "files land after 0.2 s of quiet" in reason(tick())
    time.sleep(max(oldest + 11 * QUIET - time.time(), 0))
    put(folder, 2, patient)
    first = tick()
    assert requested(first) == [current(data_root)]
    assert counts(data_root) == (9, 0)
    put(folder, 3, patient)
    assert "files land after 0.2 s of quiet" in reason(tick(first.cursor))


def test_a_file_that_cannot_land_does_not_hurry_the_others(
    folder: Path, patient: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_open = os.open

    def refuse(path: str | Path, *arguments: Any, **more: Any) -> int:
        if Path(path).name == "0.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return true_open(path, *arguments, **more)

    put(folder, 0, patient)
    time.sleep(11 * QUIET)
    put(folder, 1, patient)
    monkeypatch.setattr(os, "open", refuse)
    assert "files land after 0.2 s of quiet" in reason(tick())


def test_a_clock_that_was_set_back_keeps_no_file_waiting(folder: Path, data_root: Path, patient: Clock) -> None:
    put(folder, 0, patient)
    came = time.time()
    patient.time = lambda: came - QUIET / 2
    assert "the newest file came 0 s ago" in reason(tick())  # the clocks of a network's machines differ by so much
    patient.time = lambda: came - 86400
    assert requested(tick()) == [current(data_root)]
