"""Runs whose process is gone, and failures that Dagster has overlooked."""

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.ser_resource import PARTITION_TAG
from resources.landing.zone import Landing
from resources.locks import owners_of
from resources.settings_file import data_root, load_settings
from ser.errors import SerError

WILL_RETRY = "dagster/will_retry"
RETRIED_BY = "dagster/auto_retry_run_id"
"""Tags of a failed run: whether Dagster is to run it again, and the run that does."""

GONE = "The process of this run is gone. What it finished is kept."
FAILED = dg.DagsterEventType.RUN_FAILURE
LIVING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
BEGINS_WITHIN = 60.0
"""Seconds that a run may take from being written down to being queued or begun."""
LOOK_AGAIN = 2.0
"""Seconds. A run owns its evolution from first step to last; just before and just after, it seems ownerless."""
RETRIED_WITHIN = 60.0
"""Seconds from a run's failure to the retry that Dagster has promised; it needs five or so."""


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
        current.report_run_failed(run, message=GONE)
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
    return [run for run in _ours([*living, *waiting]) if not _is_alive(run)]


def _is_alive(run: dg.DagsterRun) -> bool:
    """Whether the run's process owns its evolution."""
    owners = owners_of(data_root(), run.tags[PARTITION_TAG])
    return run.run_id in owners or "" in owners  # one that has not said who it is may be this one


def _ours(runs: Iterable[dg.DagsterRun]) -> list[dg.DagsterRun]:
    """The runs of snapshots of this data root: others may share the instance, and know nothing of our locks."""
    zone = Landing(data_root(), load_settings())
    ours = []
    for run in runs:
        with suppress(SerError):
            zone.dataset_of(run.tags.get(PARTITION_TAG, ""))
            ours.append(run)
    return ours
