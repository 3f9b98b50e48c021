"""The cut that keeps a promise: the pool and the calibration pairs are as sure at one temperature."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser.data import tables
from ser.method.calibration import confidence
from ser.specs import Thresholds
from ser.stages.report_status import ReportStatusSpec
from tests.models import run_stage

SPEC = ReportStatusSpec(loop=2, thresholds=Thresholds(), n_min=20, select="calibrated", min_precision=0.8)


def inputs(folder: Path, temperature: float) -> dict[str, Path]:
    """A pool of 400 pairs, labelled at a temperature by a model that is right about 200 calibration pairs as it says.

    The seed's own scores matter for a relative promise only.
    """
    draw = np.random.default_rng(0)
    sure = np.abs(draw.normal(0, 2, 200))
    right = draw.random(200) < 1 / (1 + np.exp(-sure))
    names = [f"{k:03}" for k in range(200)]
    rows = [{"pair_id": name, "margin": m if ok else -m} for name, m, ok in zip(names, sure, right, strict=True)]
    tables.write(folder / "alike.parquet", tables.ALIKE, rows)
    pairs = [
        {"pair_id": k, "prompt": k, "response_a": "x", "response_b": "y", "preferred": "a", "unit": k} for k in names
    ]
    tables.write(folder / "calibration.parquet", tables.LABELLED, pairs)
    seed = {"pair_id": "000", "split": "calibration", "preferred": "a", "reward_a": 1.0, "reward_b": 0.0}
    tables.write(folder / "seed.parquet", tables.HELDOUT, [seed])
    pool: list[dict[str, Any]] = [
        {"pair_id": f"{k:03}", "p_a": 0.5, "p_b": 0.5, "confidence": confidence(m, temperature)}
        for k, m in enumerate(draw.normal(0, 2, 400).tolist())
    ]
    tables.write(folder / "self_labels.parquet", tables.SELF_LABELS, pool)
    summary = {"n_pool": 400, "reward_offset": 0.0, "temperature": temperature}
    (folder / "summary.json").write_text(json.dumps(summary))
    files = ("self_labels", "calibration", "alike", "seed")
    return {name: folder / f"{name}.parquet" for name in files} | {"summary": folder / "summary.json"}


def test_the_temperature_of_the_labelling_cancels_out(tmp_path: Path) -> None:
    """Of the seed or of the loop's own model, it decides how sure labels are, and not which are kept."""
    found = []
    for temperature in (1.0, 3.0):
        out = tmp_path / str(temperature)
        out.mkdir()
        found.append(run_stage("report_status", SPEC, inputs(out, temperature), out)["precision"])
    assert found[0]["n"] == found[1]["n"] > 20
    for name in ("precision", "precision_low"):
        assert found[0][name] == pytest.approx(found[1][name], abs=1e-4)
    assert found[0]["precision_low"] >= 0.8
