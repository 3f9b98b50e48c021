"""A run that was planned before ser.toml was edited, and begins after it: its process loads everything anew."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from assets.graph import graph, run_keys
from assets.ser_resource import PARTITION_TAG, SNAPSHOTS, SerResource
from resources.settings_file import load_settings
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

PREPARED = [dg.AssetKey("landed_pairs"), dg.AssetKey("splits")]


def planned() -> dg.JobDefinition:
    """The job of `ser run` as the settings of now make it."""
    settings = load_settings()
    assets, checks = graph(settings)
    selection = dg.AssetSelection.assets(*run_keys(settings, policy=False))
    job = dg.define_asset_job(
        "ser_run", selection=selection, partitions_def=SNAPSHOTS, executor_def=dg.in_process_executor
    )
    defs = dg.Definitions(assets=assets, asset_checks=checks, jobs=[job], resources={"ser": SerResource()})
    return defs.resolve_job_def("ser_run")


@pytest.fixture
def snapshot(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("SER_MAX_LOOPS")
    write_settings(tmp_path, loops=1)
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))


def write_settings(folder: Path, loops: int) -> None:
    (folder / "ser.toml").write_text(f"loops = {loops}\nmax_loops = {loops}\n" + chain.SETTINGS)


def begin(current: dg.DagsterInstance, job: dg.JobDefinition, snapshot: str, in_ui: bool) -> list[str]:
    """Run what was planned as Dagster's launchers do; the messages of what failed.

    Args:
        in_ui: whether the run says which steps it is of, as those that are started in the UI do.
    """
    selection = frozenset(PREPARED) if in_ui else None
    part = job.get_subset(asset_selection=selection) if in_ui else job
    run = create_run_for_test(
        current,
        job_name="ser_run",
        job_snapshot=part.get_job_snapshot(),
        parent_job_snapshot=part.get_parent_job_snapshot(),
        asset_selection=selection,
        step_keys_to_execute=["landed_pairs", "splits"] if in_ui else None,
        remote_job_origin=RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ser_dagster"), "all").get_job_origin(
            "ser_run"
        ),
        tags={PARTITION_TAG: snapshot},
    )
    execute_run(dg.reconstructable(planned), run, current)
    events = [entry.dagster_event for entry in current.all_logs(run.run_id) if entry.dagster_event]
    return [str(event.event_specific_data.error) for event in events if event.is_failure or event.is_step_failure]


@pytest.fixture
def current(snapshot: str) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as current:
        current.add_dynamic_partitions("snapshot", [snapshot])
        yield current


@pytest.mark.parametrize("loops", [2, 1])
def test_a_run_whose_graph_has_too_few_loops_says_to_reload(
    current: dg.DagsterInstance, tmp_path: Path, snapshot: str, loops: int
) -> None:
    before = planned()
    write_settings(tmp_path, loops)
    messages = begin(current, before, snapshot, in_ui=True)
    if loops == 1:
        assert messages == []
    else:
        assert "the settings have 2 loops, and the code location was loaded with 1" in messages[0]
        assert "Reload it in the UI" in messages[0]


def test_a_run_that_names_no_steps_is_planned_from_the_settings_of_now(
    current: dg.DagsterInstance, tmp_path: Path, snapshot: str
) -> None:
    before = planned()
    write_settings(tmp_path, loops=2)
    message = begin(current, before, "tiny-000000000000", in_ui=False)[0]
    assert "unknown snapshot 'tiny-000000000000'" in message
