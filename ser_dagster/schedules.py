"""A schedule for every dataset: it runs the current snapshot again, and what is unchanged is reused."""

import hashlib
import re
from collections.abc import Iterable

import dagster as dg

from assets.ser_resource import run_config
from resources.landing.zone import Landing
from resources.settings import Automation
from resources.settings_file import data_root, load_settings
from ser.errors import SerError
from ser_dagster.dagster_instance import register
from ser_dagster.jobs import Job

WEEKLY = "0 3 * * 0"
"""Sundays at three in the morning, UTC."""


def schedules(job: Job, automation: Automation, datasets: Iterable[str]) -> list[dg.ScheduleDefinition]:
    """One schedule a dataset, on where the settings give its times; the others are weekly and off.

    Raises:
        SerError: the times of a dataset are no cron string.
    """
    known = sorted({*datasets, *automation.cron})
    return [_schedule(job, _name(dataset), dataset, automation.cron.get(dataset)) for dataset in known]


def _name(dataset: str) -> str:
    """A name of the dataset's own, whatever others there are: Dagster knows by it what was switched on."""
    name = re.sub(r"\W", "_", dataset)
    if name != dataset:  # Dagster's names know no dots and dashes, and datasets may differ in them alone
        name += f"_{hashlib.sha256(dataset.encode()).hexdigest()[:8]}"
    return f"run_{name}"


def _schedule(job: Job, name: str, dataset: str, cron: str | None) -> dg.ScheduleDefinition:
    on, off = dg.DefaultScheduleStatus.RUNNING, dg.DefaultScheduleStatus.STOPPED

    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = load_settings()
        zone = Landing(data_root(), settings)
        if dataset not in zone.datasets():
            return dg.SkipReason(f"{dataset}: nothing has landed yet")
        snapshot = zone.current_snapshot(dataset)
        register(context.instance, snapshot)
        return dg.RunRequest(partition_key=snapshot, run_config=run_config(settings))

    try:
        return dg.schedule(
            name=name,
            job=job,
            cron_schedule=cron or WEEKLY,
            default_status=on if cron else off,
            description=f"Runs the current snapshot of {dataset}; what is unchanged is reused.",
        )(request)
    except dg.DagsterInvalidDefinitionError as error:
        raise SerError(
            f"setting 'automation.cron.{dataset}' is impossible: {cron!r} is no cron string.\n"
            f"Write minute, hour, day, month and weekday, for instance {WEEKLY!r}."
        ) from error
