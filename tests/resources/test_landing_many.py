"""Many files in one landing, and many landings: the same content, the same snapshot, and no more to do each time."""

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import jsonl, landing, pair, quarantined, snapshot, table

from resources.landing.store import DatasetStore
from resources.landing.zone import Landing

LANDINGS = 7


@pytest.fixture(autouse=True)
def soon_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts become one, and not eight: a landing takes a moment."""
    monkeypatch.setattr("resources.landing.store._MERGED", 3)


def parts(root: Path) -> dict[str, list[str]]:
    """The parts of the current snapshot."""
    store = DatasetStore(root, "demo")
    return store.contents(store.current())["parts"]


def land_one_by_one(zone: Landing, tmp_path: Path, numbers: range) -> list[str | None]:
    return [zone.land([jsonl(tmp_path / f"{number}.jsonl", [pair(number)])], "demo").snapshot for number in numbers]


def test_parts_are_merged_and_nothing_of_it_can_be_seen(tmp_path: Path) -> None:
    zone = landing(tmp_path / "many")
    names = land_one_by_one(zone, tmp_path, range(LANDINGS))
    once = landing(tmp_path / "once").land([tmp_path / f"{number}.jsonl" for number in range(LANDINGS)], "demo")
    assert names[-1] == once.snapshot
    assert max(map(len, parts(tmp_path / "many").values())) < 3
    assert [zone.gained("demo", name) for name in (None, names[0], names[4], names[-1])] == [7, 6, 2, 0]
    for number, name in list(enumerate(names, start=1))[::3]:
        tables = snapshot(zone, name, tmp_path / f"out{number}")
        assert (len(tables["pairs"]), len(tables["labels"])) == (number, number)
        assert len({row["landed_at"] for row in tables["pair_times"]}) == number
    again = zone.land([tmp_path / "3.jsonl"], "demo")
    assert (again.landed, again.duplicates, again.snapshot) == (0, 1, names[-1])


def test_large_parts_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.landing.store._LARGE", 1000)
    land_one_by_one(landing(tmp_path), tmp_path, range(4))
    assert len(parts(tmp_path)["pairs"]) == 4


def test_each_of_many_files_keeps_its_own_reasons_notes_and_votes(tmp_path: Path) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    for number in range(12):
        jsonl(folder / f"{number:02}a.jsonl", [pair(0, "a" if number % 3 else "b"), pair(number), f"bad {number}"])
        table(folder / f"{number:02}b.parquet", [pair(100 + number)])
        (folder / f"{number:02}c.parquet").write_bytes(b"PAR1 and no more")
        (folder / f"{number:02}d.csv").write_text("")
    done = zone.land_waiting("demo")
    assert done
    assert (done.read, done.quarantined, len(done.files)) == (48, 12, 48)
    assert [file.name[2:] for file in done.files if file.unread] == ["c.parquet", "d.csv"] * 12
    rows = [row for row in quarantined(tmp_path) if row["file"].endswith("a.jsonl")]
    assert [(row["file"], row["line"], row["raw"]) for row in rows] == [
        (f"{number:02}a.jsonl", 3, f"bad {number}") for number in range(12)
    ]
    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    votes = {row["annotator"] for row in tables["labels"]}
    assert len({vote.split("/")[0] for vote in votes}) == 24
    assert sorted(zone.unread("demo")) == sorted(
        f"{number:02}{name}" for number in range(12) for name in ("c.parquet", "d.csv")
    )
    assert zone.land_waiting("demo") is None
    assert zone.arrivals("demo") is None


def test_a_file_that_fails_in_the_end_leaves_none_of_its_rows_among_the_others(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    good = [jsonl(tmp_path / f"{number}.jsonl", [pair(number)]) for number in range(3)]
    broken = tmp_path / "broken.jsonl.gz"
    jsonl(broken, [pair(number) for number in range(50, 2500)])
    broken.write_bytes(broken.read_bytes()[:-9])
    done = zone.land([good[0], broken, *good[1:]], "demo")
    assert (done.read, done.landed, done.quarantined) == (3, 3, 0)
    assert done.files[1].unread
    _, pairs = zone.preview([broken, good[1]], "demo", zone.mapping("demo"))
    assert [json.loads(shown.prompt)[0]["content"] for shown, _ in pairs] == ["question 1"]


@pytest.mark.slow
def test_killed_while_parts_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = landing(tmp_path / "before")
    names = land_one_by_one(before, tmp_path, range(2))
    wanted = landing(shutil.copytree(tmp_path / "before", tmp_path / "good")).land(
        [jsonl(tmp_path / "2.jsonl", [pair(2)])], "demo"
    )
    assert len(parts(tmp_path / "good")["pairs"]) == 1
    true_replace = os.replace

    class Killed(BaseException):
        """Stands for a process that dies: nothing catches it."""

    for last in itertools.count(1):
        root = shutil.copytree(tmp_path / "before", tmp_path / f"killed{last}")
        calls = itertools.count(1)

        def replace(*paths: Any, last: int = last, calls: Any = calls) -> None:
            if next(calls) == last:
                raise Killed
            true_replace(*paths)

        monkeypatch.setattr(os, "replace", replace)
        try:
            done = landing(root).land([tmp_path / "2.jsonl"], "demo")
        except Killed:
            monkeypatch.setattr(os, "replace", true_replace)
            zone = landing(root)
            assert zone.current_snapshot("demo") in (names[-1], wanted.snapshot)
            assert zone.land([tmp_path / "2.jsonl"], "demo").snapshot == wanted.snapshot
            assert len(snapshot(zone, wanted.snapshot, root / "out")["pairs"]) == 3
            assert len(snapshot(zone, names[-1], root / "before")["pairs"]) == 2
        else:
            assert done.snapshot == wanted.snapshot
            break
    assert last > 6


@pytest.mark.slow
def test_ten_thousand_files_land_as_one_snapshot(tmp_path: Path) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    for number in range(10_000):
        row = pair(number)
        if number % 3 == 0:
            jsonl(folder / f"{number}.jsonl", [row])
        elif number % 3 == 1:
            (folder / f"{number}.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
        else:
            table(folder / f"{number}.parquet", [row])
    done = zone.land_waiting("demo")
    assert done
    assert (done.read, done.landed, done.labelled) == (10_000, 10_000, 10_000)
    assert zone.land_waiting("demo") is None
    assert {kind: len(names) for kind, names in parts(tmp_path).items() if names} == {"pairs": 1, "labels": 1}
