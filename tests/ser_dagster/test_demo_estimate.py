"""What a newcomer is told before the demo begins."""

import pytest

from resources.machine import Compute
from resources.settings import Settings
from ser_dagster.commands import speed
from ser_dagster.commands.run_costs import RunCosts
from ser_dagster.commands.speed import PASS_FLOPS, estimate, training_passes_per_second

ROLES = {"seed": 100, "calibration": 50, "test": 50, "pool": 400}


def test_the_length_follows_from_the_measured_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "training_passes_per_second", lambda compute: 2.0)
    costs = RunCosts(Settings(), ROLES)
    seconds = costs.of_step("seed_rm") / 2
    assert estimate(costs, ["landed_pairs", "seed_rm"], Compute()) == (
        f"This takes about {round(seconds / 60)} minutes here (two seconds of measuring: 2.0 pairs a second)."
    )


def test_the_speed_is_that_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.05)
    found = training_passes_per_second(Compute(device="cpu", dtype="float32", threads=1))
    monkeypatch.setattr(speed, "PASS_FLOPS", PASS_FLOPS / 1000)
    assert 0 < found < training_passes_per_second(Compute(device="cpu", dtype="float32", threads=1))
