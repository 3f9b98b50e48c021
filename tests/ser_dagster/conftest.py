"""Fixtures of the landing sensor's tests."""

from pathlib import Path

import pytest
from sensor_fakes import Clock

from ser_dagster import landing_sensor as module
from ser_dagster.landing_process import land


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def folder(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder of `tiny`, from which files land at once, and in this process, which takes no second."""
    monkeypatch.setattr(module, "land_apart", land)
    monkeypatch.setenv("SER_AUTOMATION__QUIET_SECONDS", "0")
    folder = data_root / "landing" / "tiny"
    folder.mkdir(parents=True)
    return folder
