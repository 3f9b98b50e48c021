"""Stage: a reward model labels the pool."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ser.appending import GrowingFile
from ser.data import tables
from ser.kept import keep_as
from ser.method.scored import Scored
from ser.progress import Progress
from ser.specs import HERE, Execution, ModelSpec
from ser.stages.job import Inputs, Summary


class LabelSpec(ModelSpec):
    """What self-labels depend on besides the reward model and the pool."""


class LabelInputs(Inputs):
    """A reward model with the file of its temperature, the pool's trunk folder, and what earlier loops took out of it.

    `kept` are tables with the pair_ids that earlier loops kept.
    """

    backbone: Path
    reward_model: Path
    heldout: Path
    states: Path
    kept: list[Path]


class LabelSummary(Summary):
    """The size of the pool, its mean reward, and the temperature of the confidence."""

    n_pool: int
    reward_offset: float
    temperature: float


_REWARDS = pa.schema([("pair_id", pa.string()), ("reward_a", pa.float64()), ("reward_b", pa.float64())])


def run(
    spec: LabelSpec, inputs: LabelInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> LabelSummary:
    """Write `self_labels.parquet`: rewards, p = sigmoid(reward - pool mean), confidence and the preferred response.

    A killed run goes on where it was.
    """
    from ser.models.reward_model import RewardModel
    from ser.models.states import PairStates

    model = RewardModel.load(inputs.backbone, inputs.reward_model, spec.arithmetic, merged=True)
    temperature = json.loads(inputs.heldout.read_text())["temperature"]
    taken = {row["pair_id"] for path in inputs.kept for row in tables.read(path, columns=["pair_id"])}
    pool = PairStates(inputs.states, without=taken)
    scores = keep_as(out, "scores")
    _score(model, pool, scores, progress)
    return write_labels(_scored(pool, scores), out, temperature)


def write_labels(scored: Iterable[Scored], out: Path, temperature: float) -> LabelSummary:
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
    return LabelSummary(n_pool=count, reward_offset=offset, temperature=temperature)


def _score(model: Any, pool: Any, path: Path, progress: Progress) -> None:
    """Write the rewards of the pool, two float32 a pair in the order of the plan."""
    from ser.models.scoring import score_batches

    total = len(pool)
    with GrowingFile(path) as file:
        rest = islice(pool.batches(), file.batches, None)
        for scored in score_batches(model, rest):
            rewards = np.array([(one.reward_a, one.reward_b) for one in scored], dtype="<f4")
            file.add(rewards.tobytes(), len(scored) / total)
            progress(file.size // 8, total, "pairs")


def _scored(pool: Any, path: Path) -> Iterator[Scored]:
    """The pool with the rewards that were written for it."""
    if len(pool) == 0:
        return
    rewards = np.memmap(path, dtype="<f4", mode="r").reshape(-1, 2)
    for item, (a, b) in zip(pool.pairs(), rewards, strict=True):
        yield Scored(item.pair.pair_id, float(a), float(b))


def _label(one: Scored, offset: float, temperature: float) -> dict[str, Any]:
    from ser.method.calibration import confidence, sigmoid

    return {
        "pair_id": one.pair_id,
        "reward_a": one.reward_a,
        "reward_b": one.reward_b,
        "p_a": sigmoid(one.reward_a - offset),
        "p_b": sigmoid(one.reward_b - offset),
        "confidence": confidence(one.margin, temperature),
        "preferred": "a" if one.margin >= 0 else "b",
    }
