"""Dagster's instance: its configuration, and runs whose process is gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.ser_resource import PARTITION_TAG
from resources.locks import own_evolution, own_snapshot
from ser_dagster import dead_runs, sensors
from ser_dagster.cli import main
from ser_dagster.dagster_instance import dagster_home, instance
from ser_dagster.dead_runs import RETRIED_BY
from ser_dagster.sensors import fail_dead_runs, remind_of_retries
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

DIES = """
import os, signal
import dagster as dg
from ser_dagster.dagster_instance import instance

@dg.op
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job
def killed():
    dies()

with instance() as current:
    killed.execute_in_process(instance=current, tags={"dagster/partition": "PARTITION"})
"""


@pytest.fixture
def snapshot(data_root: Path, tmp_path: Path) -> str:
    """A snapshot that has landed."""
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3)))


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
    own = "telemetry:\n  enabled: false\n"
    config.write_text(own)
    with instance() as current:
        assert not current.run_retries_enabled
    assert config.read_text() == own


@pytest.fixture
def dead(snapshot: str) -> Iterator[dg.DagsterInstance]:
    """An instance with a run of the snapshot that was killed."""
    subprocess.run([sys.executable, "-c", DIES.replace("PARTITION", snapshot)], capture_output=True, check=False)
    with instance() as current:
        assert [run.status.value for run in current.get_runs()] == ["STARTED"]
        yield current


@dg.job
def idle() -> None:
    """A job of nothing."""


def test_a_run_that_was_only_written_down_is_marked_when_it_should_have_begun(
    snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_runs, "LOOK_AGAIN", 0.0)
    with instance() as current:
        current.create_run_for_job(idle, tags={PARTITION_TAG: snapshot})
        assert look(current)[1] == ["NOT_STARTED"]  # it may begin yet
        monkeypatch.setattr(dead_runs, "BEGINS_WITHIN", -1.0)
        assert look(current)[1] == ["FAILURE"]


def look(current: dg.DagsterInstance) -> tuple[str, list[str]]:
    """What the sensor says, and the states of all runs after it."""
    said = fail_dead_runs(dg.build_sensor_context(instance=current))
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message), [run.status.value for run in current.get_runs()]


def test_a_run_whose_process_is_gone_is_marked_once(
    dead: dg.DagsterInstance, data_root: Path, snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = dead.get_runs()[0].run_id
    with own_evolution(data_root, f"{snapshot}/0123456789ab", run_id):
        assert look(dead) == ("every run that has started is alive", ["STARTED"])
    with ExitStack() as later, monkeypatch.context() as patch:
        # It seems ownerless at the first look only: it had not come to its lock yet.
        patch.setattr(dead_runs.time, "sleep", lambda _: later.enter_context(own_snapshot(data_root, snapshot, run_id)))
        assert look(dead) == ("every run that has started is alive", ["STARTED"])
    with own_evolution(data_root, f"{snapshot}/0123456789ab", "another"):
        said, states = look(dead)  # that another evolution of the snapshot is worked on keeps no dead run alive
    assert run_id in said
    assert states == ["FAILURE"]
    assert look(dead) == ("every run that has started is alive", ["FAILURE"])


@pytest.mark.parametrize("tags", [{PARTITION_TAG: "2026-11-25"}, {PARTITION_TAG: "tiny-0123456789ab"}, {}])
def test_runs_of_other_projects_and_other_data_roots_are_left_alone(
    snapshot: str, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str]
) -> None:
    for patience in ("LOOK_AGAIN", "BEGINS_WITHIN", "RETRIED_WITHIN"):
        monkeypatch.setattr(dead_runs, patience, -1.0 if patience != "LOOK_AGAIN" else 0.0)
    with instance() as current:
        current.create_run_for_job(idle, tags=tags, status=dg.DagsterRunStatus.STARTED)
        current.create_run_for_job(idle, tags=tags)
        theirs = current.create_run_for_job(idle, tags=tags)
        current.report_run_failed(theirs)
        assert look(current) == ("every run that has started is alive", ["FAILURE", "NOT_STARTED", "STARTED"])
        assert remind(current, theirs.run_id) == ("no retry is missing", 1)


@pytest.fixture
def failed(snapshot: str) -> Iterator[tuple[dg.DagsterInstance, str]]:
    """An instance with a run that failed and has not been retried, and its id."""
    with instance() as current:
        run = current.create_run_for_job(idle, tags={PARTITION_TAG: snapshot})
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
    monkeypatch.setattr(dead_runs, "RETRIED_WITHIN", -1.0)
    said, reports = remind(*failed)
    assert (failed[1] in said, reports) == (True, 2)
    assert remind(*failed) == ("no retry is missing", 2)


def test_a_failure_from_before_is_not_reported_again(
    failed: tuple[dg.DagsterInstance, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_runs, "RETRIED_WITHIN", -1.0)
    monkeypatch.setattr(sensors, "LOADED", datetime.now(UTC) + timedelta(seconds=1))
    assert remind(*failed) == ("no retry is missing", 1)


def test_a_run_that_was_retried_is_not_reported_again(
    failed: tuple[dg.DagsterInstance, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_runs, "RETRIED_WITHIN", -1.0)
    failed[0].add_run_tags(failed[1], {RETRIED_BY: "another"})
    assert remind(*failed) == ("no retry is missing", 1)


def test_a_run_that_may_not_be_retried_is_not_reported_again(snapshot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_runs, "RETRIED_WITHIN", -1.0)
    monkeypatch.setenv("SER_AUTOMATION__RETRIES", "0")
    with instance() as current:
        run = current.create_run_for_job(idle, tags={PARTITION_TAG: snapshot})
        current.report_run_failed(run)
        assert remind(current, run.run_id) == ("no retry is missing", 1)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("telemetri:\n  enabled: false\n", 'unexpected config entry "telemetri" at the root'),
        ("telemetry: [\n", "line 2"),
        ("telemetry\n", "dictionary"),
    ],
)
def test_a_wrong_dagster_yaml_is_named_before_anything_lands(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, words: str
) -> None:
    (dagster_home() / "dagster.yaml").write_text(config)
    file = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))
    for command in (
        ["land", str(file), "--dataset", "tiny"],
        ["review", "import", str(file), "--dataset", "tiny", "--annotator", "ann"],
        ["run", "--dataset", "tiny"],
    ):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert f"{data_root / 'dagster' / 'dagster.yaml'} is not what Dagster expects" in error
        assert words in error and len(error.splitlines()) == 2
    assert not (data_root / "landing").exists()


def test_a_relative_home_is_where_the_command_is_given(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "relative")
    file = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))
    assert main(["land", str(file), "--dataset", "tiny"]) == 0
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "relative")
    with instance() as current:
        assert len(current.get_dynamic_partitions("snapshot")) == 1


def test_a_place_that_cannot_be_written_to_is_said_in_two_lines(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance():
        runs = dagster_home() / "history" / "runs.db"
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != runs and allowed(path, mode)
    )  # root may write anywhere
    assert main(["run", "--dataset", "tiny"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"ser: {runs} cannot be written to." and len(said) == 2 and "SER_DATA" in said[1]
