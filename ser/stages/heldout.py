"""Stage: score calibration and test pairs with a reward model, fit its temperature, measure it."""

import json
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.kept import Journal, keep_as
from ser.progress import Progress
from ser.specs import HERE, Execution, ModelSpec
from ser.stages.job import Inputs, Summary


class HeldoutSpec(ModelSpec):
    """What held-out scores depend on besides the reward model and the pairs."""


class HeldoutInputs(Inputs):
    """A reward model, labelled tables of each split with their trunk folders, and a table of judge labels."""

    backbone: Path
    reward_model: Path
    calibration: Path
    test: Path
    judge: Path
    calibration_states: Path
    test_states: Path


class HeldoutSummary(Summary):
    """The temperature, the mean reward, and the metrics of each split, all but the last from calibration pairs."""

    temperature: float
    reward_offset: float
    metrics: dict[str, dict[str, dict[str, Any]]]


SPLITS = ("calibration", "test")


def run(
    spec: HeldoutSpec, inputs: HeldoutInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> HeldoutSummary:
    """Write `heldout.parquet` and `temperature.json`, which is all that a labelling reads of it."""
    from ser.method.heldout import measure
    from ser.models.reward_model import RewardModel
    from ser.models.scoring import score
    from ser.models.states import PairStates

    model = RewardModel.load(inputs.backbone, inputs.reward_model, spec.arithmetic, merged=True)
    held_out = [inputs.calibration, inputs.test]
    states = dict(zip(SPLITS, map(PairStates, (inputs.calibration_states, inputs.test_states)), strict=True))
    total = sum(map(len, states.values()))
    before = 0
    scored = {}
    journals = {split: Journal(keep_as(out, f"{split}.journal")) for split in SPLITS}
    for split, part in states.items():
        scored[split] = list(score(model, part, total, progress, before=before, journal=journals[split]))
        before += len(part)
    rows, summary = measure(
        scored,
        tables.labels(*held_out),
        tables.labels(inputs.judge),
        tables.groups(*held_out),
        tables.longer_is_preferred(*held_out),
    )
    tables.write(out / "heldout.parquet", tables.HELDOUT, rows)
    (out / "temperature.json").write_text(json.dumps({"temperature": summary["temperature"]}))
    return HeldoutSummary(**summary)
