"""Stage: a reward model labels the pool."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ser.data import tables
from ser.data.encoded import count_slices
from ser.data.known import known_rows
from ser.method.labels import label_pair
from ser.progress import Progress, named
from ser.scratch import scratch_path
from ser.slices import Slices
from ser.specs import HERE, Execution, ModelSpec, Scale
from ser.stages.job import Inputs, Summary


class LabelSpec(ModelSpec):
    """What self-labels depend on besides the reward model and the pool."""


class LabelInputs(Inputs):
    """A reward model with the file of its temperature, the pool's tokens, and what earlier loops took out of it.

    `scales` is the file with the scales of an ensemble's members, if that is another one. `kept` are tables with the
    pair_ids that earlier loops kept. With `units`, what ties pairs to each other, a pair is scored by the one member
    that was not trained on its fold, and by no other. `states` is a cache, which may be anything or nothing. `earlier`
    are the `rewards.parquet` of other pools, as this reward model has scored them: a pair that is there is not scored
    again, unless by folds, which another pool cuts otherwise.
    """

    backbone: Path
    reward_model: Path
    heldout: Path
    encoded: Path
    kept: list[Path]
    scales: Path | None = None
    units: Path | None = None
    states: Path | None = None
    earlier: Sequence[Path] = ()


class LabelSummary(Summary):
    """The size of the pool, its mean reward, and the temperature of the confidence."""

    n_pool: int
    reward_offset: float
    temperature: float


class Pool(NamedTuple):
    """Whether a pair is still in the pool; with the fold of each, where each is scored by the member of its fold."""

    holds: Callable[[str], bool]
    folds: Mapping[str, int] | None

    def asks(self, member: int) -> Callable[[str], bool]:
        """Whether a member scores a pair."""
        folds = self.folds
        return self.holds if folds is None else lambda pair_id: self.holds(pair_id) and folds[pair_id] == member


REWARDS_NAME = "rewards.parquet"
REWARDS = pa.schema([("pair_id", pa.string()), ("digest", pa.string()), ("rewards", pa.list_(pa.float64()))])
"""What each member that scores a pair says of it with these tokens (`ser.data.encoded`): two rewards after two."""
_COMBINED = pa.schema(
    [("pair_id", pa.string()), ("reward_a", pa.float64()), ("reward_b", pa.float64()), ("spread", pa.float64())]
)


def run(
    spec: LabelSpec, inputs: LabelInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> LabelSummary:
    """Write `self_labels.parquet`: rewards, p = sigmoid(reward - pool mean), confidence and the preferred response.

    And `rewards.parquet`, what each member says of each pair. A killed run goes on where it was.
    """
    pool = _pool(inputs)
    _score_missing(spec, inputs, out, pool, progress, execution)
    # Rewards by one member are scaled by its own temperature already.
    temperature = 1.0 if inputs.units else json.loads(inputs.heldout.read_text())["temperature"]
    return write_labels(_combined(inputs, out, pool), out, temperature)


def fill(
    spec: LabelSpec,
    inputs: LabelInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Score the slices of process `rank` of `world` with each member, as far as they are missing."""
    _score_missing(spec, inputs, out, _pool(inputs), progress, execution, rank, world)


def _score_missing(
    spec: LabelSpec,
    inputs: LabelInputs,
    out: Path,
    pool: Pool,
    progress: Progress,
    execution: Execution,
    rank: int = 0,
    world: int = 1,
) -> None:
    from ser.models.reward_model import members_of

    members = members_of(inputs.reward_model)
    how: dict[str, Any] = {"batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
    for number, (member, total) in enumerate(zip(members, _new_pairs(inputs, pool, len(members)), strict=True)):
        slices = _slices(inputs, out, number)
        if slices.missing(rank, world):
            how |= {"total": total, "wanted": pool.asks(number), "known": _known_rewards(inputs, number)}
            told = named(progress, f"member {number + 1} of {len(members)}") if len(members) > 1 else progress
            _score_member(spec, inputs, member, slices, progress=told, **how)


def _known_rewards(inputs: LabelInputs, member: int) -> Iterator[dict[str, list[float]]]:
    """For each slice, what a member has said of its pairs before."""
    both = slice(2 * member, 2 * member + 2)
    for rows in known_rows(inputs.encoded, () if inputs.units else inputs.earlier):
        yield {pair_id: row["rewards"][both] for pair_id, row in rows.items()}


def _score_member(spec: LabelSpec, inputs: LabelInputs, member: Path, slices: Slices, **how: Any) -> None:
    """Score the pool with one member, which is in memory no longer than that takes."""
    from ser.models.reward_model import load_to_score
    from ser.models.scoring import score_slices
    from ser.models.states.pairs import PairStates, open_states

    model = load_to_score(inputs.backbone, member, spec.arithmetic)
    cache = open_states(inputs.states, inputs.encoded, model.trunk, spec.arithmetic)
    score_slices(model, PairStates(inputs.encoded, cache), slices, **how)


def write_labels(combined: Iterable[dict[str, Any]], out: Path, temperature: float) -> LabelSummary:
    """Write `self_labels.parquet` from rewards in the order of pair_id; memory does not grow with their number."""
    total, rewards = 0.0, scratch_path(out, "combined")

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal total
        for row in combined:
            total += row["reward_a"] + row["reward_b"]
            yield row

    count = tables.write(rewards, _COMBINED, rows())
    offset = total / max(1, 2 * count)
    labelled = (label_pair(row, offset, temperature) for row in tables.read(rewards))
    tables.write(out / "self_labels.parquet", tables.SELF_LABELS, labelled)
    return LabelSummary(n_pool=count, reward_offset=offset, temperature=temperature)


def _pool(inputs: LabelInputs) -> Pool:
    from ser.method.selection import fold_of
    from ser.models.reward_model import members_of

    taken = {row["pair_id"] for path in inputs.kept for row in tables.read(path, columns=["pair_id"])}
    folds = None
    if inputs.units:
        count = len(members_of(inputs.reward_model))
        folds = {row["pair_id"]: fold_of(row["unit"], count) for row in tables.read(inputs.units)}
    return Pool(lambda pair_id: pair_id not in taken, folds)


def _new_pairs(inputs: LabelInputs, pool: Pool, members: int) -> list[int]:
    """How many pairs each member has to score."""
    held = (row["pair_id"] for row in tables.read(inputs.encoded, ["pair_id"]) if pool.holds(row["pair_id"]))
    if pool.folds is not None:
        counts = Counter(pool.folds[pair_id] for pair_id in held)
        return [counts[member] for member in range(members)]
    known = sum(pool.holds(pair_id) for rows in known_rows(inputs.encoded, inputs.earlier) for pair_id in rows)
    return [sum(1 for _ in held) - known] * members


def _slices(inputs: LabelInputs, out: Path, member: int) -> Slices:
    return Slices(scratch_path(out, f"scores_{member}"), count_slices(inputs.encoded))


def _combined(inputs: LabelInputs, out: Path, pool: Pool) -> Iterator[dict[str, Any]]:
    """The ensemble's rewards and their spread, in the order of pair_id."""
    import numpy as np

    from ser.method.ensemble import by_unseen_member, combine

    unsorted = scratch_path(out, "unsorted")
    tables.write(unsorted, REWARDS, _member_rewards(inputs, out, pool))
    tables.write(out / REWARDS_NAME, REWARDS, tables.read_in_order(unsorted, ["pair_id"]))
    scaled_by = json.loads((inputs.scales or inputs.heldout).read_text())
    scales = [Scale(**scale) for scale in scaled_by.get("members", [])]
    rows = tables.read(out / REWARDS_NAME)
    while chunk := list(islice(rows, tables.ROWS)):
        rewards = np.array([row["rewards"] for row in chunk]).reshape(len(chunk), -1, 2)
        if pool.folds is None:
            found = combine(list(rewards.swapaxes(0, 1)), scales)
        else:
            folds = np.array([pool.folds[row["pair_id"]] for row in chunk])
            found = by_unseen_member(rewards[:, 0], scales, folds)
        spread = [None] * len(chunk) if found.spread is None else found.spread.tolist()
        for row, (a, b), width in zip(chunk, found.rewards.tolist(), spread, strict=True):
            yield {"pair_id": row["pair_id"], "reward_a": a, "reward_b": b, "spread": width}


def _member_rewards(inputs: LabelInputs, out: Path, pool: Pool) -> Iterator[dict[str, Any]]:
    """The rewards of all members for each pair, in the order of the plan."""
    from ser.models.reward_model import members_of
    from ser.models.scoring import read_scores
    from ser.models.states.pairs import PairStates

    numbers, encoded = range(len(members_of(inputs.reward_model))), PairStates(inputs.encoded)
    scored = [read_scores(encoded, _slices(inputs, out, number), pool.asks(number)) for number in numbers]
    for row in tables.read(inputs.encoded, ["pair_id", "digest"]):
        if pool.holds(row["pair_id"]):
            asked = scored if pool.folds is None else [scored[pool.folds[row["pair_id"]]]]
            said = [next(member) for member in asked]
            yield row | {"rewards": [reward for one in said for reward in (one.reward_a, one.reward_b)]}
