"""A file that waits is known by more than its name, size and time: whoever replaces it is noticed."""

import json
import os
from pathlib import Path

import pytest
from landing_fakes import jsonl, landing, pair

from resources.landing.folders import Arrivals


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


def test_a_note_of_before_makes_a_file_be_read_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = landing(tmp_path)
    jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    [note] = (tmp_path / "landing" / "demo" / ".landed" / "files").iterdir()
    old = json.loads(note.read_text())
    note.write_text(json.dumps(old | {"seen": [mark[:3] for mark in old["seen"]]}))
    assert zone.land_waiting("demo") is None
    assert json.loads(note.read_text()) == old
    monkeypatch.setattr("resources.landing.store.file_digest", lambda path: pytest.fail(f"{path} is read again"))
    assert zone.arrivals("demo") is None
    assert zone.land_waiting("demo") is None


def test_notes_do_not_grow_when_nothing_but_a_files_rights_change(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    path = jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1)])
    zone.land_waiting("demo")
    for mode in (0o600, 0o644, 0o640):
        path.chmod(mode)
        assert zone.land_waiting("demo") is None
    [note] = (tmp_path / "landing" / "demo" / ".landed" / "files").iterdir()
    assert len(json.loads(note.read_text())["seen"]) == 1
