"""A clock that is set back, or that stands still, does not change which label came before a review."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from landing_fakes import jsonl, landing, pair, snapshot

from resources.landing import zone as module
from resources.landing.zone import Landing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(time=NOON)
    monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda zone: clock.time))
    return clock


def land(zone: Landing, tmp_path: Path, name: str, label: str, **more: str) -> None:
    zone.land([jsonl(tmp_path / f"{name}.jsonl", [pair(0, label, annotator=name, **more)])], "demo")


def who(zone: Landing, tmp_path: Path) -> list[str]:
    """Whose labels the current snapshot shows."""
    tables = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")
    assert [row["role"] for row in tables["pairs"]] == ["seed"]
    return [row["annotator"] for row in tables["labels"]]


@pytest.mark.parametrize("gone", [HOUR, timedelta(0), -HOUR])
def test_what_the_vault_knew_stays_behind(tmp_path: Path, clock: SimpleNamespace, gone: timedelta) -> None:
    zone = landing(tmp_path)
    land(zone, tmp_path, "vault", "a", role="pool")
    clock.time = NOON + gone
    land(zone, tmp_path, "ann", "b", role="seed")
    assert who(zone, tmp_path) == ["ann"]


@pytest.mark.parametrize("gone", [HOUR, timedelta(0), -HOUR])
def test_whoever_reviews_after_another_counts(tmp_path: Path, clock: SimpleNamespace, gone: timedelta) -> None:
    zone = landing(tmp_path)
    land(zone, tmp_path, "vault", "a", role="pool")
    clock.time = NOON + HOUR
    land(zone, tmp_path, "ann", "b", role="seed")
    clock.time += gone
    land(zone, tmp_path, "ben", "a", role="seed")
    assert who(zone, tmp_path) == ["ann", "ben"]


def test_a_time_is_the_clocks_unless_an_earlier_landing_has_a_later_one(tmp_path: Path, clock: SimpleNamespace) -> None:
    zone = landing(tmp_path)
    for number, (hours, label) in enumerate(((0, "a"), (-1, None), (1, "a"))):
        clock.time = NOON + hours * HOUR
        zone.land([jsonl(tmp_path / f"{number}.jsonl", [pair(number, label)])], "demo")
    times = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")["pair_times"]
    tick = timedelta(microseconds=1)
    assert sorted(row["landed_at"] for row in times) == [NOON, NOON + tick, NOON + HOUR]
