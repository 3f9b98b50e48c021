"""Dagster's own storage, shared by `ser`, `make demo` and `make ui`."""

import os
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import yaml
from dagster_shared.check import CheckError

from assets.ser_resource import PARTITION_TAG, SNAPSHOTS_NAME
from resources.disk import write_text
from resources.landing.zone import Landing
from resources.locks import is_owned
from resources.settings import data_root, load_settings
from ser.errors import SerError

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
FIRST_CONFIG = """# Dagster's instance; see https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
"""
"""What version 0.1.0 wrote: it knows nothing of retries and is replaced."""

WILL_RETRY = "dagster/will_retry"
RETRIED_BY = "dagster/auto_retry_run_id"
"""Tags of a failed run: whether Dagster is to run it again, and the run that does."""

FAILED = dg.DagsterEventType.RUN_FAILURE
LIVING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
BEGINS_WITHIN = 60.0
"""Seconds that a run may take from being written down to being queued or begun."""
LOOK_AGAIN = 2.0
"""Seconds. A run owns its snapshot from its first step to its last; just before and just after, it seems ownerless."""
RETRIED_WITHIN = 60.0
"""Seconds from a run's failure to the retry that Dagster has promised; it needs five or so."""


def dagster_home() -> Path:
    """`DAGSTER_HOME`, by default `dagster` in the data root; made, with its configuration, when it is missing."""
    home = Path(os.environ.get("DAGSTER_HOME") or data_root() / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    _configure(home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _configure(path: Path) -> None:
    """Bring the instance's configuration up to the settings, unless it is somebody's own."""
    present = path.read_text() if path.exists() else FIRST_CONFIG
    wanted = CONFIG.format(mark=MARK, retries=load_settings().automation.retries)
    if present != wanted and (present == FIRST_CONFIG or present.startswith(MARK)):
        write_text(path, wanted)


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """The Dagster instance in `dagster_home()`.

    Raises:
        SerError: its configuration cannot be read, or is impossible.
    """
    config = dagster_home() / "dagster.yaml"
    try:
        opened = dg.DagsterInstance.get()
    except (dg.DagsterError, CheckError, yaml.YAMLError) as error:
        raise SerError(
            f"{config} is not what Dagster expects: {_problem(error)}\nMend the file, or delete it to get a new one."
        ) from error
    with opened as current:
        yield current


def _problem(error: Exception) -> str:
    """The first problem, in one line, without all that would be allowed."""
    text = str(error)
    first = text.partition("Error 1: ")[2] or text
    return textwrap.shorten(first.partition(" Expected: ")[0], 300, placeholder=" ...")


def register(current: dg.DagsterInstance, snapshot: str) -> None:
    """Make a snapshot a partition, so that it can be run from the UI."""
    current.add_dynamic_partitions(SNAPSHOTS_NAME, [snapshot])


def fail_ownerless_runs(current: dg.DagsterInstance, snapshot: str | None = None) -> list[str]:
    """Mark runs (of `snapshot`, or all) whose process is gone as failed, and return their ids.

    After `kill -9` or a power cut Dagster would show them as started for ever, and would let no other run start; or as
    not started, if they had only been written down.
    """
    if not _ownerless(current, snapshot):
        return []
    time.sleep(LOOK_AGAIN)
    ownerless = _ownerless(current, snapshot)
    for run in ownerless:
        current.report_run_failed(run, message="The process of this run is gone. What it finished is kept.")
    return [run.run_id for run in ownerless]


def repeat_failures(current: dg.DagsterInstance, since: datetime) -> list[str]:
    """Report a second time the failure of runs since then whose promised retry has not come; return their ids.

    Dagster's daemon may read the event of a failure just before the run's status follows. It then takes the run for
    one that has not failed, and does not look again; of two events it makes one retry (dagster 1.13). Whatever it
    makes of the second one is its decision: a run of a cancelled backfill, for instance, is not retried.
    """
    promised = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY: "true"},
        updated_after=since,
        updated_before=datetime.now(UTC) - timedelta(seconds=RETRIED_WITHIN),
    )
    waiting = [run for run in _ours(current.get_runs(filters=promised)) if RETRIED_BY not in run.tags]
    unheard = [run for run in waiting if len(current.all_logs(run.run_id, of_type=FAILED)) == 1]
    for run in unheard:
        current.report_run_failed(run, message="It was to be retried, and no retry has come.")
    return [run.run_id for run in unheard]


def _ownerless(current: dg.DagsterInstance, snapshot: str | None) -> list[dg.DagsterRun]:
    tags = {PARTITION_TAG: snapshot} if snapshot else {}
    living = current.get_runs(filters=dg.RunsFilter(statuses=LIVING, tags=tags))
    begun_by = datetime.now(UTC) - timedelta(seconds=BEGINS_WITHIN)
    waiting = current.get_runs(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED], tags=tags, created_before=begun_by)
    )
    return [run for run in _ours([*living, *waiting]) if not is_owned(data_root(), run.tags[PARTITION_TAG])]


def _ours(runs: Iterable[dg.DagsterRun]) -> list[dg.DagsterRun]:
    """The runs of snapshots of this data root: others may share the instance, and know nothing of our locks."""
    zone = Landing(data_root(), load_settings())
    ours = []
    for run in runs:
        with suppress(SerError):
            zone.dataset_of(run.tags.get(PARTITION_TAG, ""))
            ours.append(run)
    return ours
