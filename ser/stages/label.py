"""Stage: a reward model labels the pool."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ser.appending import GrowingFile
from ser.data import tables
from ser.kept import keep_as
from ser.method.calibration import confidence, sigmoid
from ser.models.reward_model import RewardModel
from ser.models.scoring import Scored, score_batches
from ser.models.states import PairStates
from ser.progress import Progress
from ser.stages.specs import LabelSpec

_REWARDS = pa.schema([("pair_id", pa.string()), ("reward_a", pa.float64()), ("reward_b", pa.float64())])


def run(spec: LabelSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `self_labels.parquet`: rewards, p = sigmoid(reward - pool mean), confidence and the preferred response.

    The pool is what `inputs["states"]` holds, less the pairs that `inputs["kept"]` (tables of earlier loops) took
    out. The temperature of the confidence comes from `inputs["heldout"]`. A killed run goes on where it was.
    """
    model = RewardModel.load(inputs["backbone"], inputs["reward_model"], spec.arithmetic, merged=True)
    temperature = json.loads(inputs["heldout"].read_text())["temperature"]
    taken = {row["pair_id"] for path in inputs["kept"] for row in tables.read(path, columns=["pair_id"])}
    pool = PairStates(inputs["states"], without=taken)
    scores = keep_as(out, "scores")
    _score(model, pool, scores, progress)
    return write_labels(_scored(pool, scores), out, temperature)


def write_labels(scored: Iterable[Scored], out: Path, temperature: float) -> dict[str, Any]:
    """Write `self_labels.parquet`, sorted by pair_id, from the raw rewards; memory does not grow with their number."""
    total, unsorted = 0.0, keep_as(out, "unsorted")

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal total
        for one in scored:
            total += one.reward_a + one.reward_b
            yield {"pair_id": one.pair_id, "reward_a": one.reward_a, "reward_b": one.reward_b}

    count = tables.write(unsorted, _REWARDS, rows())
    offset = total / max(1, 2 * count)
    labelled = (_label(Scored(**row), offset, temperature) for row in tables.read_in_order(unsorted, ["pair_id"]))
    tables.write(out / "self_labels.parquet", tables.SELF_LABELS, labelled)
    return {"n_pool": count, "reward_offset": offset, "temperature": temperature}


def _score(model: RewardModel, pool: PairStates, path: Path, progress: Progress) -> None:
    """Write the rewards of the pool, two float32 a pair in the order of the plan."""
    total = len(pool)
    with GrowingFile(path) as file:
        rest = islice(pool.batches(), file.batches, None)
        for scored in score_batches(model, rest):
            rewards = np.array([(one.reward_a, one.reward_b) for one in scored], dtype="<f4")
            file.add(rewards.tobytes(), len(scored) / total)
            progress(file.size // 8, total, "pairs")


def _scored(pool: PairStates, path: Path) -> Iterator[Scored]:
    """The pool with the rewards that were written for it."""
    if len(pool) == 0:
        return
    rewards = np.memmap(path, dtype="<f4", mode="r").reshape(-1, 2)
    for item, (a, b) in zip(pool.pairs(), rewards, strict=True):
        yield Scored(item.pair.pair_id, float(a), float(b))


def _label(one: Scored, offset: float, temperature: float) -> dict[str, Any]:
    return {
        "pair_id": one.pair_id,
        "reward_a": one.reward_a,
        "reward_b": one.reward_b,
        "p_a": sigmoid(one.reward_a - offset),
        "p_b": sigmoid(one.reward_b - offset),
        "confidence": confidence(one.margin, temperature),
        "preferred": "a" if one.margin >= 0 else "b",
    }
