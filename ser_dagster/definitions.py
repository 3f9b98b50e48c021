"""The code location: gathers the graph, the jobs, the sensor and the resource."""

import dagster as dg

from assets.graph import graph, run_keys
from assets.ser_resource import SNAPSHOTS, SerResource
from resources.settings import load_settings
from ser_dagster.sensors import audit_after_failure, audit_failed_runs

settings = load_settings()
assets, checks = graph(settings)

ser_run = dg.define_asset_job(
    "ser_run",
    selection=dg.AssetSelection.assets(*run_keys(settings, settings.loops, policy=True)),
    partitions_def=SNAPSHOTS,
    executor_def=dg.in_process_executor,
    description="One snapshot from landed pairs to a judged policy, an audit database and a report.",
)

defs = dg.Definitions(
    assets=assets,
    asset_checks=checks,
    jobs=[ser_run, audit_after_failure],
    sensors=[audit_failed_runs(ser_run)],
    resources={"ser": SerResource(recipe=None, loops=None, terminal=False)},
    executor=dg.in_process_executor,
)
