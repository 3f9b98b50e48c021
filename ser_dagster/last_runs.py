"""The last execution of an evolution, as Dagster knows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.ser_resource import EVOLUTION_TAG
from resources import asset_keys as keys
from ser_dagster.dagster_instance import instance, place_of_dagster
from ser_dagster.dead_runs import GONE
from ser_dagster.failures import Failure, asset_of, first_failure
from ser_dagster.jobs import audit_after_failure

ENDS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
LOOKED_AT = 10
"""Executions of an evolution, the last first, among which one is looked for that did more than to audit another."""


@dataclass(frozen=True)
class LastRun:
    """An execution that has begun."""

    run_id: str
    succeeded: bool
    ended_at: str | None
    """When it ended, or was found dead (ISO 8601, UTC)."""
    loops: int | None
    """The loop after which it was told to stop; 0: it was to make what stands before the loops."""
    policy: bool
    """Whether it was to make a policy."""
    step: str | None
    """The key of the asset that it works on, or worked on when its process went."""
    failure: Failure | None
    """Why it failed; None as well where its process went or a person stopped it."""


def last_runs(evolutions: Iterable[str]) -> dict[str, LastRun]:
    """The last execution of each of the evolutions; those that Dagster knows nothing of are missing.

    Raises:
        FileNotFoundError: Dagster has no storage yet; none is made.
        SerError: its configuration is damaged. Whatever is wrong with its storage is raised as it comes.
    """
    if not place_of_dagster().exists():
        raise FileNotFoundError("there is nothing yet")
    with instance() as current:
        found = {evolution: _last_record(current, evolution) for evolution in evolutions}
        return {evolution: _last_run(current, record) for evolution, record in found.items() if record is not None}


def _last_record(current: dg.DagsterInstance, evolution: str) -> dg.RunRecord | None:
    records = current.get_run_records(dg.RunsFilter(tags={EVOLUTION_TAG: evolution}), limit=LOOKED_AT)
    begun = (record for record in records if record.start_time is not None)
    return next((record for record in begun if record.dagster_run.job_name != audit_after_failure.name), None)


def _last_run(current: dg.DagsterInstance, record: dg.RunRecord) -> LastRun:
    run, selected = record.dagster_run, record.dagster_run.asset_selection
    config: Any = run.run_config
    no_loop = selected is not None and dg.AssetKey(keys.self_labels(1).split("/")) not in selected
    failed = run.status == dg.DagsterRunStatus.FAILURE
    succeeded = run.status == dg.DagsterRunStatus.SUCCESS
    return LastRun(
        run_id=run.run_id,
        succeeded=succeeded,
        ended_at=None if record.end_time is None else datetime.fromtimestamp(record.end_time, UTC).isoformat(),
        loops=0 if no_loop else config.get("resources", {}).get("ser", {}).get("config", {}).get("stop_after"),
        policy=selected is None or dg.AssetKey(keys.PPO_POLICY) in selected,
        step=None if succeeded else _step(current, run.run_id),
        failure=_failure(current, run.run_id) if failed else None,
    )


def _step(current: dg.DagsterInstance, run_id: str) -> str | None:
    """The key of the asset whose step has begun and not ended."""
    steps = current.get_run_step_stats(run_id)
    return next((asset_of(step.step_key) for step in steps if step.status and step.status.value == "IN_PROGRESS"), None)


def _failure(current: dg.DagsterInstance, run_id: str) -> Failure | None:
    entries = current.all_logs(run_id, of_type=ENDS)
    failure = first_failure(entry.dagster_event for entry in entries if entry.dagster_event is not None)
    stopped = failure is None or failure.message == GONE or failure.is_interruption
    return None if stopped else failure
