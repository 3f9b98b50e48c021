"""A dataset that lands for an hour holds up no other, and no process of it outlives who waits for it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
from sensor_fakes import current, reason, requested

from resources.landing.store import DatasetStore
from resources.settings_file import load_settings
from ser.errors import SerError
from ser_dagster import inbox_watch, landing_process
from ser_dagster import landing_sensor as module
from ser_dagster.jobs import ser_run
from tests.pairs import labelled_rows, write_jsonl

ROOT = Path(__file__).parents[2]


def ticks(cursor: str | None = None) -> Callable[[], dg.SensorResult]:
    """Evaluations of one sensor, each with the cursor of the one before."""
    settings = load_settings()
    sensor = module.landing_sensor(ser_run(settings), settings.automation)

    def tick() -> dg.SensorResult:
        nonlocal cursor
        result = sensor(dg.build_sensor_context(cursor=cursor))
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        return result

    return tick


def landing_processes(parent: psutil.Process) -> list[psutil.Process]:
    """The processes in which `parent` lands datasets."""
    found = []
    for child in parent.children():
        with suppress(psutil.Error):  # it has ended
            found += [child] if landing_process.__name__ in child.cmdline() else []
    return found


def until_requested(tick: Callable[[], dg.SensorResult]) -> list[str | None]:
    while not (result := tick()).run_requests:
        pass
    return requested(result)


def test_a_slow_dataset_is_named_and_holds_up_no_other(
    folder: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, begun, over = data_root / "landing" / "slow", [], threading.Event()
    slow.mkdir()
    write_jsonl(slow / "a.jsonl", labelled_rows(3, seed=1))
    write_jsonl(folder / "a.jsonl", labelled_rows(3))

    def land(dataset: str) -> landing_process.LandingReport:
        begun.append(dataset)
        assert dataset != "slow" or over.wait(60)
        return landing_process.land(dataset)

    monkeypatch.setattr(module, "land_apart", land)
    monkeypatch.setattr(module, "WAITS", 0.1)
    tick = ticks()
    assert until_requested(tick) == [current(data_root)]
    write_jsonl(folder / "b.jsonl", labelled_rows(3, seed=2))
    assert until_requested(tick) == [current(data_root)]
    assert "slow: its files have been landing for " in reason(tick())
    over.set()
    assert until_requested(tick) == [current(data_root, "slow")]
    assert begun.count("slow") == 1
    assert f"slow: nothing new since {current(data_root, 'slow')}" in reason(tick())


def test_a_slow_folder_of_the_inbox_holds_up_no_other(
    folder: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, true_fetch = threading.Event(), inbox_watch.fetch
    for number, name in enumerate(("slow", "tiny")):
        (tmp_path / "away" / name).mkdir(parents=True)
        write_jsonl(tmp_path / "away" / name / "a.jsonl", labelled_rows(3, seed=number))

    def fetch(uri: str, root: Path, dataset: str, *more: Callable[[str], None]) -> list[Path]:
        assert dataset != "slow" or over.wait(60)
        return true_fetch(uri, root, dataset, *more)

    monkeypatch.setattr(inbox_watch, "fetch", fetch)
    monkeypatch.setattr(inbox_watch, "WAITS", 0.1)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", f"file://{tmp_path / 'away'}")
    tick = ticks()
    assert until_requested(tick) == [current(data_root)]
    assert "the inbox: 0 files were fetched; still at work: slow (" in reason(tick())
    over.set()
    assert until_requested(tick) == [current(data_root, "slow")]


def test_what_fails_in_the_process_of_a_landing_is_told_as_if_it_were_here(
    folder: Path, data_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    (folder / ".landed").write_text("not a folder")
    with pytest.raises(SerError, match=r"NotADirectoryError: .*Not a directory"):
        landing_process.land_apart("tiny")
    assert "Traceback" in capfd.readouterr().err
    (folder / ".landed").unlink()
    done = landing_process.land_apart("tiny")
    assert done.summary == "read 3 rows: 3 landed, 0 duplicates, 0 quarantined; 0 labels added to known pairs"


@pytest.mark.slow
def test_a_landing_that_is_killed_is_told_and_lands_the_next_time(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    failures: list[str] = []

    def land() -> None:
        try:
            landing_process.land_apart("tiny")
        except SerError as error:
            failures.append(str(error))

    with DatasetStore(data_root, "tiny").lock():
        thread = threading.Thread(target=land)
        thread.start()
        while not (children := landing_processes(psutil.Process())):
            pass
        children[0].send_signal(signal.SIGKILL)
        thread.join()
    assert failures == ["its landing was killed (SIGKILL); if memory is short, land less at a time"]
    assert landing_process.land_apart("tiny").summary


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_of_a_landing_ends_with_who_waits_for_it(
    folder: Path, data_root: Path, number: signal.Signals
) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    code = "from ser_dagster.landing_process import land_apart; land_apart('tiny')"
    with DatasetStore(data_root, "tiny").lock():
        waits = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        while not (children := landing_processes(psutil.Process(waits.pid))):
            pass
        waits.send_signal(number)
        waits.wait()
        gone, alive = psutil.wait_procs(children, timeout=30)
    assert (len(gone), alive) == (1, [])
