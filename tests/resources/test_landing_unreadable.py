"""A waiting file that cannot be opened keeps no other from landing, and what has landed is not opened again."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import files_in, jsonl, landing, pair, quarantined

from resources.landing.folders import NotAllLandedError


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files that nobody can open."""
    names: set[str] = set()
    true_open = os.open

    def refuse(path: str | Path, *arguments: Any, **more: Any) -> int:
        if Path(path).name in names:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return true_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    return names


def test_the_other_files_land_and_then_the_failure_is_told(tmp_path: Path, closed: set[str]) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    for number, name in enumerate("abc"):
        jsonl(folder / f"{name}.jsonl", [pair(number)])
    closed.add("b.jsonl")
    with pytest.raises(NotAllLandedError) as error:
        zone.land_waiting("demo")
    assert str(error.value) == (
        "dataset 'demo': 'b.jsonl' cannot be read (Permission denied) and waits; the other files have landed. "
        "Make it readable, or take it away."
    )
    assert zone.counts("demo")["pairs"] == 2
    before = files_in(tmp_path / "landing" / "demo" / ".landed")
    with pytest.raises(NotAllLandedError):
        zone.land_waiting("demo")
    assert files_in(tmp_path / "landing" / "demo" / ".landed") == before
    closed.clear()
    done = zone.land_waiting("demo")
    assert done is not None
    assert (done.read, done.landed, zone.counts("demo")["pairs"]) == (1, 1, 3)
    assert quarantined(tmp_path) == []


def test_of_many_files_that_cannot_be_read_a_few_are_named(tmp_path: Path, closed: set[str]) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    closed.update([jsonl(folder / f"{number}\x1b.jsonl", [pair(1)]).name for number in range(9)])
    with pytest.raises(NotAllLandedError) as error:
        zone.land_waiting("demo")
    assert r"'0\x1b.jsonl', '1\x1b.jsonl', '2\x1b.jsonl' and 6 more cannot be read" in str(error.value)
    assert zone.datasets() == []


def test_what_has_landed_is_not_opened_again(tmp_path: Path, closed: set[str]) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    jsonl(folder / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    closed.add("a.jsonl")
    jsonl(folder / "b.jsonl", [pair(2)])
    done = zone.land_waiting("demo")
    assert done is not None
    assert (done.read, done.landed) == (1, 1)


def test_a_landing_folder_that_cannot_be_listed_is_not_empty(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    (tmp_path / "landing").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        zone.datasets()
