"""Dagster's instance: its configuration, and runs whose process is gone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.locks import own_snapshot
from ser_dagster import home, sensors
from ser_dagster.home import FIRST_CONFIG, RETRIED_BY, dagster_home, instance
from ser_dagster.sensors import fail_dead_runs, remind_of_retries

DIES = """
import os, signal
import dagster as dg
from ser_dagster.home import instance

@dg.op
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job
def killed():
    dies()

with instance() as current:
    killed.execute_in_process(instance=current, tags={"dagster/partition": "tiny-1"})
"""


def test_the_configuration_follows_the_settings_unless_it_is_somebody_s_own(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dagster_home() / "dagster.yaml"
    with instance() as current:
        assert (current.run_retries_enabled, current.run_retries_max_retries) == (True, 2)
        assert current.run_monitoring_enabled
        assert current.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
    monkeypatch.setenv("SER_AUTOMATION__RETRIES", "5")
    with instance() as current:
        assert current.run_retries_max_retries == 5
    config.write_text(FIRST_CONFIG)
    with instance() as current:
        assert current.run_retries_max_retries == 5
    own = FIRST_CONFIG.replace("telemetry:\n  enabled: false", "telemetry:\n  enabled: true")
    config.write_text(own)
    with instance() as current:
        assert not current.run_retries_enabled
    assert config.read_text() == own


@pytest.fixture
def dead(data_root: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with a run of `tiny-1` that was killed."""
    subprocess.run([sys.executable, "-c", DIES], capture_output=True, check=False)
    with instance() as current:
        assert [run.status.value for run in current.get_runs()] == ["STARTED"]
        yield current


@dg.job
def idle() -> None:
    """A job of nothing."""


def test_a_run_that_was_only_written_down_is_marked_when_it_should_have_begun(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "LOOK_AGAIN", 0.0)
    with instance() as current:
        current.create_run_for_job(idle, tags={"dagster/partition": "tiny-1"})
        assert look(current)[1] == ["NOT_STARTED"]  # it may begin yet
        monkeypatch.setattr(home, "BEGINS_WITHIN", -1.0)
        assert look(current)[1] == ["FAILURE"]


def look(current: dg.DagsterInstance) -> tuple[str, list[str]]:
    """What the sensor says, and the states of all runs after it."""
    said = fail_dead_runs(dg.build_sensor_context(instance=current))
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message), [run.status.value for run in current.get_runs()]


def test_a_run_whose_process_is_gone_is_marked_once(
    dead: dg.DagsterInstance, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_snapshot(data_root, "tiny-1", "somebody"):
        assert look(dead) == ("every run that has started is alive", ["STARTED"])
    with ExitStack() as later, monkeypatch.context() as patch:
        # It seems ownerless at the first look only: it had not come to its lock yet.
        patch.setattr(home.time, "sleep", lambda _: later.enter_context(own_snapshot(data_root, "tiny-1", "late")))
        assert look(dead) == ("every run that has started is alive", ["STARTED"])
    said, states = look(dead)
    assert dead.get_runs()[0].run_id in said
    assert states == ["FAILURE"]
    assert look(dead) == ("every run that has started is alive", ["FAILURE"])


@pytest.fixture
def failed(data_root: Path) -> Iterator[tuple[dg.DagsterInstance, str]]:
    """An instance with a run that failed and has not been retried, and its id."""
    with instance() as current:
        run = current.create_run_for_job(idle)
        current.report_run_failed(run)
        yield current, run.run_id


def remind(current: dg.DagsterInstance, run_id: str) -> tuple[str, int]:
    """What the sensor says, and how often the failure of the run has been reported after it."""
    said = remind_of_retries(dg.build_sensor_context(instance=current))
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message), len(current.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE))


def test_a_failure_that_dagster_overlooked_is_reported_once_more_and_not_again(
    failed: tuple[dg.DagsterInstance, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remind(*failed) == ("no retry is missing", 1)  # it may come yet
    monkeypatch.setattr(home, "RETRIED_WITHIN", -1.0)
    said, reports = remind(*failed)
    assert (failed[1] in said, reports) == (True, 2)
    assert remind(*failed) == ("no retry is missing", 2)


def test_a_failure_from_before_is_not_reported_again(
    failed: tuple[dg.DagsterInstance, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "RETRIED_WITHIN", -1.0)
    monkeypatch.setattr(sensors, "LOADED", datetime.now(UTC) + timedelta(seconds=1))
    assert remind(*failed) == ("no retry is missing", 1)


def test_a_run_that_was_retried_is_not_reported_again(
    failed: tuple[dg.DagsterInstance, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "RETRIED_WITHIN", -1.0)
    failed[0].add_run_tags(failed[1], {RETRIED_BY: "another"})
    assert remind(*failed) == ("no retry is missing", 1)


def test_a_run_that_may_not_be_retried_is_not_reported_again(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "RETRIED_WITHIN", -1.0)
    monkeypatch.setenv("SER_AUTOMATION__RETRIES", "0")
    with instance() as current:
        run = current.create_run_for_job(idle)
        current.report_run_failed(run)
        assert remind(current, run.run_id) == ("no retry is missing", 1)
