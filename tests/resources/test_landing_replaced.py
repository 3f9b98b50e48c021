"""A file that waits is known by more than its name, size and time: whoever replaces it is noticed."""

import os
from pathlib import Path

import pytest
from landing_fakes import jsonl, landing, pair

from resources.landing.opened import OpenedFile
from resources.landing.waiting import Arrivals


def replace(path: Path, number: int) -> None:
    """Other content of the same size, with the same name and modification time."""
    before = path.stat()
    jsonl(path.with_suffix(".tmp"), [pair(number)]).rename(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_file_replaced_by_one_that_looks_the_same_lands(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    path = jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    replace(path, 2)
    assert zone.arrivals("demo") == Arrivals(path.stat().st_ctime, path.stat().st_ctime)
    done = zone.land_waiting("demo")
    assert done is not None
    assert (done.read, done.landed, zone.counts("demo")["pairs"]) == (1, 1, 2)
    assert zone.land_waiting("demo") is None


def test_what_was_only_touched_is_read_once_more_and_never_lands_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = landing(tmp_path)
    path = jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    path.touch()
    assert zone.land_waiting("demo") is None
    monkeypatch.setattr(OpenedFile, "digest", lambda file: pytest.fail(f"{file.path} is read again"))
    assert zone.arrivals("demo") is None
    assert zone.land_waiting("demo") is None


def test_notes_do_not_grow_when_nothing_but_a_files_rights_change(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    path = jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    notes = tmp_path / "landing" / "demo" / ".landed" / "files.jsonl"
    for mode in (0o600, 0o640) * 120:
        path.chmod(mode)
        assert zone.land_waiting("demo") is None
        assert len(notes.read_text().splitlines()) <= 103
    assert zone.arrivals("demo") is None
