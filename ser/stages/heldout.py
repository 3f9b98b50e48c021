"""Stage: score calibration and test pairs with a reward model, fit its temperature, measure it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.kept import Journal, keep_as
from ser.method.heldout import measure
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states import PairStates
from ser.progress import Progress
from ser.stages.specs import HeldoutSpec

SPLITS = ("calibration", "test")


def run(spec: HeldoutSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `heldout.parquet` and `temperature.json`, which is all that a labelling reads of it.

    `inputs` has `<split>` and `judge` (labelled tables) and `<split>_states`.
    """
    model = RewardModel.load(inputs["backbone"], inputs["reward_model"], spec.arithmetic, merged=True)
    held_out = [inputs[split] for split in SPLITS]
    states = {split: PairStates(inputs[f"{split}_states"]) for split in SPLITS}
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
        tables.labels(inputs["judge"]),
        tables.groups(*held_out),
        tables.longer_is_preferred(*held_out),
    )
    tables.write(out / "heldout.parquet", tables.HELDOUT, rows)
    (out / "temperature.json").write_text(json.dumps({"temperature": summary["temperature"]}))
    return summary
