"""Dagster's own storage, shared by `ser`, `make demo` and `make ui`."""

import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster_shared.check import CheckError

from assets.ser_resource import SNAPSHOTS_NAME
from resources.disk import write_text
from resources.settings_file import ROOT, data_root, load_settings
from ser.errors import SerError
from ser_dagster.foreign_errors import OTHER_PLACE

MARK = "# Written by ser, again and again: remove this line to keep changes of your own."
CONFIG = """{mark}
# Dagster's instance; see https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1  # a run uses every core and holds a backbone; others wait in the queue
    tag_concurrency_limits:  # where more are allowed: still one of a snapshot at a time
      - key: dagster/partition
        value:
          applyLimitPerUniqueValue: true
        limit: 1
run_monitoring:  # of runs that never start; a started run whose process is gone is found by its lock
  enabled: true
run_retries:
  enabled: true
  max_retries: {retries}
"""


def place_of_dagster() -> Path:
    """`DAGSTER_HOME`, by default `dagster` in the data root, whether or not it is there."""
    return Path(os.path.realpath(os.environ.get("DAGSTER_HOME") or data_root() / "dagster"))


def dagster_home() -> Path:
    """`place_of_dagster`, made, with its configuration, when it is missing."""
    home = place_of_dagster()
    home.mkdir(parents=True, exist_ok=True)
    _configure(home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _configure(path: Path) -> None:
    """Bring the instance's configuration up to the settings, unless it is somebody's own."""
    present = path.read_text() if path.exists() else MARK
    wanted = CONFIG.format(mark=MARK, retries=load_settings().automation.retries)
    if present != wanted and present.startswith(MARK):
        write_text(path, wanted)


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """The Dagster instance in `dagster_home()`.

    Raises:
        SerError: its configuration cannot be read, or is impossible, or its folder cannot be written to.
    """
    config = _writable_home() / "dagster.yaml"
    try:
        opened = dg.DagsterInstance.get()
    except (dg.DagsterError, CheckError, yaml.YAMLError) as error:
        raise SerError(
            f"{config} is not what Dagster expects: {_problem(error)}\nMend the file, or delete it to get a new one."
        ) from error
    with opened as current:
        yield current


def _writable_home() -> Path:
    try:
        home = dagster_home()
    except PermissionError as error:
        raise SerError(f"{error.filename} cannot be written to.\n{OTHER_PLACE}") from error
    for path in (home, *(home / name for name in ("history/runs.db", "schedules/schedules.db"))):
        if path.exists() and not os.access(path, os.W_OK):
            raise SerError(f"{path} cannot be written to.\n{OTHER_PLACE}")
    return home


def _problem(error: Exception) -> str:
    """The first problem, in one line, without all that would be allowed."""
    text = str(error)
    first = text.partition("Error 1: ")[2] or text
    return textwrap.shorten(first.partition(" Expected: ")[0], 300, placeholder=" ...")


def run_here(current: dg.DagsterInstance, job: str) -> None:
    """Let the runs of `job` that begin in this process name their code location, and leave alone what they print.

    The UI's timeline and the pages of a job show no runs without a location, and `execute_in_process` (Dagster 1.13)
    names none. What a step prints goes to whoever is in front of the terminal: to keep a copy of it Dagster would
    start two processes a step, which a Ctrl-C reaches as well, and which then print a stack trace each.
    """
    current._compute_log_manager = NoOpComputeLogManager()
    (location,) = location_origins_from_yaml_paths([str(ROOT / "workspace.yaml")])
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)
    setattr(current, "create_run_for_job", partial(current.create_run_for_job, remote_job_origin=origin))  # noqa: B010


def register(current: dg.DagsterInstance, snapshot: str) -> None:
    """Make a snapshot a partition, so that it can be run from the UI."""
    current.add_dynamic_partitions(SNAPSHOTS_NAME, [snapshot])
