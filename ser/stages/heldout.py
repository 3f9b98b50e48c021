"""Stage: score calibration and test pairs with a reward model, fit its temperature, measure it."""

import json
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.encoded import count_slices
from ser.kept import keep_as
from ser.progress import Progress
from ser.slices import Slices
from ser.specs import HERE, Execution, ModelSpec
from ser.stages.job import Inputs, Summary


class HeldoutSpec(ModelSpec):
    """What held-out scores depend on besides the reward model and the pairs."""


class HeldoutInputs(Inputs):
    """A reward model, labelled tables of each split with their tokens, and a table of judge labels.

    The states are caches, which may be anything or nothing.
    """

    backbone: Path
    reward_model: Path
    calibration: Path
    test: Path
    judge: Path
    calibration_encoded: Path
    test_encoded: Path
    calibration_states: Path | None = None
    test_states: Path | None = None


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
    from ser.models.scoring import read_scores
    from ser.models.states import PairStates

    fill(spec, inputs, out, progress, execution)
    held_out, encoded = (inputs.calibration, inputs.test), _encoded(inputs)
    scored = {split: list(read_scores(PairStates(encoded[split]), _slices(inputs, out, split))) for split in SPLITS}
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


def fill(
    spec: HeldoutSpec,
    inputs: HeldoutInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Score the slices of process `rank` of `world`, as far as they are missing."""
    from ser.models.reward_model import RewardModel
    from ser.models.scoring import score_slices
    from ser.models.states import PairStates, StatesCache

    slices = {split: _slices(inputs, out, split) for split in SPLITS}
    if not any(one.missing(rank, world) for one in slices.values()):
        return
    model = RewardModel.load(inputs.backbone, inputs.reward_model, spec.arithmetic, merged=True)
    encoded, caches = _encoded(inputs), {"calibration": inputs.calibration_states, "test": inputs.test_states}
    total, before = sum(map(tables.count, encoded.values())), 0
    for split in SPLITS:
        cache = StatesCache.open(caches[split], encoded[split], model.trunk, spec.arithmetic)
        how: dict[str, Any] = {"total": total, "batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
        score_slices(model, PairStates(encoded[split], cache), slices[split], progress, before=before, **how)
        before += tables.count(encoded[split])


def _encoded(inputs: HeldoutInputs) -> dict[str, Path]:
    return {"calibration": inputs.calibration_encoded, "test": inputs.test_encoded}


def _slices(inputs: HeldoutInputs, out: Path, split: str) -> Slices:
    return Slices(keep_as(out, split), count_slices(_encoded(inputs)[split]))
