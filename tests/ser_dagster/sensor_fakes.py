"""What the tests of the landing sensor share: a watch that can be put forward, ticks, and what came of them."""

import time
from pathlib import Path
from types import SimpleNamespace

import dagster as dg

from resources.landing.zone import Landing
from resources.settings_file import load_settings
from ser_dagster.jobs import ser_run
from ser_dagster.landing_sensor import landing_sensor


class Clock(SimpleNamespace):
    """The sensor's watch, which can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


def tick(cursor: str | None = None) -> dg.SensorResult:
    """One evaluation of the sensor."""
    settings = load_settings()
    sensor = landing_sensor(ser_run(settings), settings.automation)
    result = sensor(dg.build_sensor_context(cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def requested(result: dg.SensorResult) -> list[str | None]:
    """The partitions of the requested runs, which must be added by the same evaluation."""
    keys = [request.partition_key for request in result.run_requests or []]
    added = [key for request in result.dynamic_partitions_requests or [] for key in request.partition_keys]
    assert added == keys
    return keys


def reason(result: dg.SensorResult) -> str:
    """Why a tick requested nothing."""
    assert not result.run_requests
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def current(root: Path, dataset: str = "tiny") -> str:
    """The current snapshot."""
    return Landing(root, load_settings()).current_snapshot(dataset)


def counts(root: Path) -> tuple[int, int]:
    """Labelled and unlabelled pairs of `tiny`."""
    found = Landing(root, load_settings()).counts("tiny")
    return found["labelled"], found["unlabelled"]
