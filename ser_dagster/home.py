"""Dagster's own storage, shared by `ser`, `make demo` and `make ui`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from assets.ser_resource import SNAPSHOTS_NAME
from resources.disk import write_text
from resources.locks import is_owned
from resources.settings import data_root

CONFIG = """# Dagster's instance; see https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
"""
LIVING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


def dagster_home() -> Path:
    """`DAGSTER_HOME`, by default `dagster` in the data root; made, with its configuration, when it is missing."""
    home = Path(os.environ.get("DAGSTER_HOME") or data_root() / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        write_text(config, CONFIG)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """The Dagster instance in `dagster_home()`."""
    dagster_home()
    with dg.DagsterInstance.get() as current:
        yield current


def register(current: dg.DagsterInstance, snapshot: str) -> None:
    """Make a snapshot a partition, so that it can be run from the UI."""
    current.add_dynamic_partitions(SNAPSHOTS_NAME, [snapshot])


def fail_ownerless_runs(current: dg.DagsterInstance, snapshot: str) -> list[str]:
    """Mark runs of `snapshot` whose process is gone as failed, and return their ids.

    After `kill -9` Dagster would show them as started for ever.
    """
    if is_owned(data_root(), snapshot):
        return []
    filters = dg.RunsFilter(statuses=LIVING, tags={"dagster/partition": snapshot})
    ownerless = current.get_runs(filters=filters)
    for run in ownerless:
        current.report_run_failed(run, message="The process of this run is gone; `ser run` continues its work.")
    return [run.run_id for run in ownerless]
