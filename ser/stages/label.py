"""Stage: a reward model labels the pool."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ser import tables
from ser.calibration import confidence, sigmoid
from ser.kept import Journal
from ser.progress import Progress
from ser.reward_model import RewardModel
from ser.scoring import Scored, score
from ser.stages.specs import LabelSpec
from ser.states import PairStates


def run(spec: LabelSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `self_labels.parquet`: rewards, p = sigmoid(reward - pool mean), confidence and the preferred response.

    The pool is what `inputs["states"]` holds, less the pairs that `inputs["kept"]` (tables of earlier loops) took
    out. The temperature of the confidence comes from `inputs["heldout"]`.
    """
    torch.set_num_threads(spec.compute.threads)
    model = RewardModel.load(inputs["backbone"], inputs["reward_model"], spec.compute.dtype, merged=True)
    temperature = json.loads(inputs["heldout"].read_text())["temperature"]
    states = PairStates(inputs["states"])
    taken = {row["pair_id"] for path in inputs["kept"] for row in tables.read(path, columns=["pair_id"])}
    journal = Journal(out / "scores.journal")
    wanted = len(states) - len(taken)
    scored = list(score(model, states, wanted, progress, lambda pair_id: pair_id not in taken, journal=journal))
    offset = sum(one.reward_a + one.reward_b for one in scored) / max(1, 2 * len(scored))
    count = tables.write(out / "self_labels.parquet", tables.SELF_LABELS, _rows(scored, offset, temperature))
    journal.remove()
    return {"n_pool": count, "reward_offset": offset, "temperature": temperature}


def _rows(scored: list[Scored], offset: float, temperature: float) -> Iterator[dict[str, Any]]:
    for one in sorted(scored, key=lambda one: one.pair_id):
        yield {
            "pair_id": one.pair_id,
            "reward_a": one.reward_a,
            "reward_b": one.reward_b,
            "p_a": sigmoid(one.reward_a - offset),
            "p_b": sigmoid(one.reward_b - offset),
            "confidence": confidence(one.margin, temperature),
            "preferred": "a" if one.margin >= 0 else "b",
        }
