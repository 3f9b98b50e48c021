"""The code location: gathers the graph, the jobs, what happens by itself, and the resource."""

import dagster as dg

from assets.graph import graph
from assets.links import linked
from assets.ser_resource import SHOWN, SerResource
from resources.landing.zone import Landing
from resources.redacted_errors import redact_logs
from resources.settings_file import data_root, load_settings
from ser_dagster.jobs import audit_after_failure, ser_run
from ser_dagster.landing_sensor import landing_sensor
from ser_dagster.schedules import schedules
from ser_dagster.sensors import audit_failed_runs, fail_dead_runs, remind_of_retries

redact_logs()

settings = load_settings()
assets, checks = graph(settings)
run = ser_run(settings)

defs = dg.Definitions(
    assets=linked(assets, data_root()),
    asset_checks=checks,
    jobs=[run, audit_after_failure],
    sensors=[landing_sensor(run, settings.automation), fail_dead_runs, remind_of_retries, audit_failed_runs(run)],
    schedules=schedules(run, settings.automation, Landing(data_root(), settings).folders()),
    resources={"ser": SerResource(**{name: getattr(settings, name) for name in SHOWN})},
    executor=dg.in_process_executor,
)
