"""A landing that is killed at any step, or that meets another, leaves nothing half-done."""

import itertools
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
from landing_fakes import files_in, jsonl, landing, pair, quarantined, snapshot

from resources.landing.zone import Landing
from resources.settings import Settings

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Stands for a process that dies: nothing catches it."""


def contents(zone: Landing, out: Path) -> dict[str, object]:
    """All tables of the current snapshot but the times."""
    tables = snapshot(zone, zone.current_snapshot("demo"), out)
    return {kind: rows for kind, rows in tables.items() if not kind.endswith("_times")}


def inputs(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    first = [jsonl(tmp_path / "first.jsonl", [*(pair(i, None if i % 2 else "a") for i in range(12)), "bad"])]
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    labels = [pair(i, "b") for i in range(1, 12, 2)]
    judged = [pair(i, "a", annotator="judge") for i in range(12)]
    return first, [jsonl(tmp_path / "second.jsonl", [*labels, *judged, pair(20), "worse"]), broken]


def test_killed_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = inputs(tmp_path)
    good = landing(tmp_path / "good")
    before = good.land(first, "demo")
    shutil.copytree(tmp_path / "good", tmp_path / "before")
    wanted = good.land(second, "demo")
    true_replace, step = os.replace, 0
    while True:
        step += 1
        root = tmp_path / f"killed{step}"
        zone = landing(shutil.copytree(tmp_path / "before", root))
        calls = 0

        def replace(*paths: str, last: int = step) -> None:
            nonlocal calls
            calls += 1
            if calls == last:
                raise Killed
            true_replace(*paths)

        monkeypatch.setattr(os, "replace", replace)
        try:
            done = zone.land(second, "demo")
        except Killed:
            monkeypatch.setattr(os, "replace", true_replace)
            assert zone.current_snapshot("demo") in (before.snapshot, wanted.snapshot)
            contents(zone, tmp_path / "out")
            assert landing(root).land(second, "demo").snapshot == wanted.snapshot
        else:
            monkeypatch.setattr(os, "replace", true_replace)
            assert done == wanted
            break
        assert contents(zone, tmp_path / "out") == contents(good, tmp_path / "out2")
        assert quarantined(root) == quarantined(tmp_path / "good")
        assert not [name for name in files_in(root) if ".tmp" in name or "staging" in name]
    assert step > 8


def test_killed_in_the_very_first_landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = inputs(tmp_path)
    true_replace = os.replace
    wanted = landing(tmp_path / "good").land(first, "demo")
    steps = []

    def replace(source: Path, target: Path) -> None:
        steps.append(Path(target).name)
        if len(steps) == last:
            raise Killed
        true_replace(source, target)

    for last in itertools.count(1):
        zone = landing(tmp_path / f"killed{last}")
        steps.clear()
        monkeypatch.setattr(os, "replace", replace)
        try:
            zone.land(second, "demo")  # in the end everything of this is written, but not current
        except Killed:
            monkeypatch.setattr(os, "replace", true_replace)
            if zone.datasets() == []:
                assert zone.land(first, "demo") == wanted
        else:
            break
    assert last > 8
    assert steps.count("current") == 2


def test_what_waits_is_landed_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    zone = landing(tmp_path)
    jsonl(tmp_path / "landing" / "demo" / "a.jsonl", [pair(1), pair(2)])

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(Killed):
            zone.land_waiting("demo")
    done = zone.land_waiting("demo")
    assert done and (done.read, done.landed) == (2, 2)
    assert zone.land_waiting("demo") is None


def land_and_die(root: Path, files: list[Path], step: int) -> None:
    """Land in a process of its own that kills itself, as nothing can prevent, where it would replace a file."""
    true_replace, calls = os.replace, 0

    def replace(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        true_replace(source, target)

    os.replace = replace  # type: ignore[assignment]
    landing(root).land(files, "demo")


@pytest.mark.parametrize("step", [2, 7])
def test_killed_for_real(tmp_path: Path, step: int):
    first, second = inputs(tmp_path)
    wanted = landing(tmp_path / "good").land([*first, *second], "demo")
    root = tmp_path / "killed"
    worker = multiprocessing.get_context("spawn").Process(target=land_and_die, args=(root, [*first, *second], step))
    worker.start()
    worker.join(120)
    assert worker.exitcode == -signal.SIGKILL
    assert any("staging" in name for name in files_in(root))
    assert landing(root).land([*first, *second], "demo") == wanted
    assert not [name for name in files_in(root) if ".tmp" in name or "staging" in name]
    assert quarantined(root) == quarantined(tmp_path / "good")


def land_part(root: Path, file: Path) -> None:
    """What one of several processes does."""
    Landing(root, Settings()).land([file], "demo")


def test_landings_at_the_same_time_wait_for_each_other(tmp_path: Path):
    files = [
        jsonl(tmp_path / f"{part}.jsonl", [pair(i) for i in range(20 * part, 20 * part + 25)]) for part in range(3)
    ]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=land_part, args=(tmp_path / "data", file)) for file in files]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    zone = landing(tmp_path / "data")
    again = zone.land(files, "demo")
    assert (again.landed, again.duplicates, again.labelled) == (0, 75, 65)


def test_what_a_killed_sort_left_is_cleared_away(tmp_path: Path):
    zone = landing(tmp_path)
    runs = tmp_path / "landing" / "demo" / ".landed" / "staging" / ".runs.tmp"
    runs.mkdir(parents=True)
    (runs / ".0.tmp").write_bytes(b"half a run")
    done = zone.land([jsonl(tmp_path / "in.jsonl", [pair(i) for i in range(4)])], "demo")
    assert done.landed == 4
    assert not runs.parent.exists()
