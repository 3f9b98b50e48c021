"""Stage: a reward model labels the pool."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.data.encoded import count_slices
from ser.kept import keep_as
from ser.method.scored import Scored
from ser.progress import Progress
from ser.slices import Slices
from ser.specs import HERE, Execution, ModelSpec
from ser.stages.job import Inputs, Summary


class LabelSpec(ModelSpec):
    """What self-labels depend on besides the reward model and the pool."""


class LabelInputs(Inputs):
    """A reward model with the file of its temperature, the pool's tokens, and what earlier loops took out of it.

    `kept` are tables with the pair_ids that earlier loops kept; `states` is a cache, which may be anything or nothing.
    """

    backbone: Path
    reward_model: Path
    heldout: Path
    encoded: Path
    kept: list[Path]
    states: Path | None = None


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
    from ser.models.scoring import read_scores
    from ser.models.states import PairStates

    fill(spec, inputs, out, progress, execution)
    temperature = json.loads(inputs.heldout.read_text())["temperature"]
    in_pool, _ = _pool(inputs)
    return write_labels(read_scores(PairStates(inputs.encoded), _slices(inputs, out), in_pool), out, temperature)


def fill(
    spec: LabelSpec,
    inputs: LabelInputs,
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

    slices = _slices(inputs, out)
    if not slices.missing(rank, world):
        return
    model = RewardModel.load(inputs.backbone, inputs.reward_model, spec.arithmetic, merged=True)
    cache = StatesCache.open(inputs.states, inputs.encoded, model.trunk, spec.arithmetic)
    in_pool, total = _pool(inputs)
    how = {"total": total, "batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
    score_slices(model, PairStates(inputs.encoded, cache), slices, progress, in_pool, **how)


def _pool(inputs: LabelInputs) -> tuple[Callable[[str], bool], int]:
    """Whether a pair is still in the pool, and how many are."""
    taken = {row["pair_id"] for path in inputs.kept for row in tables.read(path, columns=["pair_id"])}
    return (lambda pair_id: pair_id not in taken), tables.count(inputs.encoded) - len(taken)


def _slices(inputs: LabelInputs, out: Path) -> Slices:
    return Slices(keep_as(out, "scores"), count_slices(inputs.encoded))


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
