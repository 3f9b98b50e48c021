"""A real daemon: what is put into a landing folder is run once, whatever is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest

from resources.locks import owner_of
from ser_dagster.dagster_instance import dagster_home, instance
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


@pytest.fixture
def folder(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder `tiny` of a project with tiny settings, and an impatient sensor."""
    automation = "loops = 1\n[automation]\nquiet_seconds = 1\n[thresholds]\nn_min = 5\n"
    (tmp_path / "ser.toml").write_text(automation + chain.SETTINGS)
    monkeypatch.setenv("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
    monkeypatch.setenv("DAGSTER_HOME", str(data_root / "dagster"))
    dagster_home()
    folder = data_root / "landing" / "tiny"
    folder.mkdir(parents=True)
    return folder


@contextmanager
def daemon(log: Path) -> Iterator[Callable[[], None]]:
    """Dagster's daemon with its code location, in a group of processes that can be killed at once."""
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"]
    with log.open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    try:
        yield kill
    except AssertionError as error:
        raise AssertionError(f"{error}\n{log.read_text()[-4000:]}") from error
    finally:
        kill()


def wait_for(what: str, found: Callable[[], T | None], seconds: float = 180) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = found()
        if result is not None:
            return result
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s for {what}")


def at_work(root: Path, but: tuple[str, ...] = ()) -> tuple[str, int] | None:
    """The run that owns an evolution now, other than those in `but`, and its process."""
    for path in (root / "heads").glob("tiny-*/*/.owner"):
        with suppress(ValueError):  # it has just begun and has not said who it is
            owner = json.loads(path.read_text())
            if owner["run_id"] not in but and owner_of(root, f"{path.parts[-3]}/{path.parts[-2]}") is not None:
                return owner["run_id"], owner["pid"]
    return None


def test_a_file_makes_one_run_that_survives_a_kill_of_itself_and_of_everything(
    folder: Path, data_root: Path, tmp_path: Path
) -> None:
    log = tmp_path / "daemon.log"
    with daemon(log) as kill:
        write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)).rename(folder / "pairs.jsonl")
        first, process = wait_for("a run of what landed", lambda: at_work(data_root))
        os.kill(process, signal.SIGKILL)
        second, _ = wait_for("the killed run's retry", lambda: at_work(data_root, (first,)))
        kill()
    wait_for("every process to be gone", lambda: at_work(data_root) is None or None)
    with daemon(log), instance() as current:

        def finished() -> dg.DagsterRun | None:
            runs = current.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
            return runs[0] if runs else None

        third = wait_for("a run that finishes", finished)
        runs = current.get_runs(ascending=True)
    assert [run.run_id for run in runs] == [first, second, third.run_id]
    assert [run.status.value for run in runs] == ["FAILURE", "FAILURE", "SUCCESS"]
    # One was requested; the others are its retries.
    assert [run.parent_run_id for run in runs] == [None, first, second]
    assert runs[0].tags["dagster/sensor_name"] == "landing"
    assert (third.tags["dagster/max_retries"], third.tags["dagster/retry_strategy"]) == ("2", "ALL_STEPS")
    assert len({run.tags["dagster/partition"] for run in runs}) == 1
    heads = data_root / "heads" / third.tags["dagster/partition"]
    assert len(list(heads.glob("*/policy_evaluation.json"))) == 1
    assert list((data_root / "artifacts").rglob(".*.tmp")) == []
