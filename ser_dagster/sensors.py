"""What happens by itself."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.ser_resource import SNAPSHOTS

audit_after_failure = dg.define_asset_job(
    "audit_after_failure",
    selection=dg.AssetSelection.assets("audit_sync", "report"),
    partitions_def=SNAPSHOTS,
    executor_def=dg.in_process_executor,
    description="What a failed run made before it failed can be audited too.",
)


def audit_failed_runs(monitored: Any) -> dg.SensorDefinition:
    """A sensor that audits every failed run of `monitored` once."""

    @dg.run_failure_sensor(
        name="audit_failed_runs",
        monitored_jobs=[monitored],
        request_job=audit_after_failure,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.RunFailureSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for one sync of what the failed run made."""
        run = context.dagster_run
        snapshot = run.tags.get("dagster/partition")
        if snapshot is None:
            yield dg.SkipReason(f"run {run.run_id} failed before it had a snapshot")
            return
        resources = {key: value for key, value in run.run_config.items() if key == "resources"}
        yield dg.RunRequest(run_key=run.run_id, partition_key=snapshot, run_config=resources)

    return sensor
