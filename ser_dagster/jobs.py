"""The jobs: what one run makes."""

from typing import Any

import dagster as dg

from assets.graph import run_keys
from assets.ser_resource import SNAPSHOTS
from resources.settings import Settings

Job = Any
"""A job before the graph is resolved; Dagster keeps its class to itself."""

SER_RUN = "ser_run"
"""The job behind `ser run`."""

MAX_RETRIES = "dagster/max_retries"
STARTED_BY = "ser/started_by"
"""Tag of a run that nobody started in the UI, and no sensor: what did."""

audit_after_failure = dg.define_asset_job(
    "audit_after_failure",
    selection=dg.AssetSelection.assets("audit_sync", "report"),
    partitions_def=SNAPSHOTS,
    executor_def=dg.in_process_executor,
    run_tags={MAX_RETRIES: "0"},
    description="What a failed run made before it failed can be audited too.",
)


def ser_run(settings: Settings) -> Job:
    """The job behind `ser run`, the landing sensor and the schedules."""
    return dg.define_asset_job(
        SER_RUN,
        selection=dg.AssetSelection.assets(*run_keys(settings, policy=True)),
        partitions_def=SNAPSHOTS,
        executor_def=dg.in_process_executor,
        # A retry begins at the beginning: the artifact store knows better than Dagster what is finished.
        run_tags={MAX_RETRIES: str(settings.automation.retries), "dagster/retry_strategy": "ALL_STEPS"},
        description="One snapshot from landed pairs to a judged policy, an audit database and a report.",
    )
