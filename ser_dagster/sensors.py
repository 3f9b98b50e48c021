"""What happens by itself when a run dies or fails."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from assets.ser_resource import PARTITION_TAG
from ser_dagster.dead_runs import WILL_RETRY, fail_ownerless_runs, repeat_failures
from ser_dagster.jobs import Job, audit_after_failure

LOADED = datetime.now(UTC)
"""What failed before this process began is none of its business: somebody may have run it again by hand."""


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Marks runs whose process is gone as failed; Dagster then retries them, as the settings allow.",
)
def fail_dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Marks runs whose process is gone as failed; Dagster then retries them, as the settings allow."""
    failed = fail_ownerless_runs(context.instance)
    if failed:
        return dg.SkipReason(f"marked as failed, because their process is gone: {', '.join(failed)}")
    return dg.SkipReason("every run that has started is alive")


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Reports failures again whose retry Dagster has promised and overlooked.",
)
def remind_of_retries(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Reports failures again whose retry Dagster has promised and overlooked."""
    unheard = repeat_failures(context.instance, LOADED)
    if unheard:
        return dg.SkipReason(f"reported once more, because no retry has come: {', '.join(unheard)}")
    return dg.SkipReason("no retry is missing")


def audit_failed_runs(monitored: Job) -> dg.SensorDefinition:
    """A sensor that audits every failed run of `monitored` once."""

    @dg.run_failure_sensor(
        name="audit_failed_runs",
        description="Brings what a failed run made before it failed into the audit database, unless a retry will.",
        monitored_jobs=[monitored],
        request_job=audit_after_failure,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.RunFailureSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for one sync of what the failed run made, unless a retry is about to bring it."""
        run = context.dagster_run
        snapshot = run.tags.get(PARTITION_TAG)
        if snapshot is None:
            yield dg.SkipReason(f"run {run.run_id} failed before it had a snapshot")
            return
        if run.tags.get(WILL_RETRY) == "true":
            yield dg.SkipReason(f"run {run.run_id} is retried, and the retry is audited")
            return
        resources = {key: value for key, value in run.run_config.items() if key == "resources"}
        yield dg.RunRequest(run_key=run.run_id, partition_key=snapshot, run_config=resources)

    return sensor
