"""A clock that is set back, or that stands still, never makes a landing seem earlier than the one before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from landing_fakes import jsonl, landing, pair, snapshot

from resources.landing import landed as module

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(time=NOON)
    monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda zone: clock.time))
    return clock


def test_a_time_is_the_clocks_unless_an_earlier_landing_has_a_later_one(tmp_path: Path, clock: SimpleNamespace) -> None:
    zone = landing(tmp_path)
    for number, (hours, label) in enumerate(((0, "a"), (-1, None), (1, "a"))):
        clock.time = NOON + hours * HOUR
        zone.land([jsonl(tmp_path / f"{number}.jsonl", [pair(number, label)])], "demo")
    times = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")["pair_times"]
    tick = timedelta(microseconds=1)
    assert sorted(row["landed_at"] for row in times) == [NOON, NOON + tick, NOON + HOUR]
