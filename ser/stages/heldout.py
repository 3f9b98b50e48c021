"""Stage: score calibration and test pairs with a reward model, fit its temperature, measure it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.encoded import count_slices
from ser.method.ensemble import ensemble_scores, unseen_scores
from ser.method.scored import Scored
from ser.progress import Progress, named
from ser.scratch import scratch_path
from ser.slices import Slices
from ser.specs import HERE, Execution, ModelSpec, Scale
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
    """The temperature, the mean reward and the members' scales, by calibration pairs; the metrics of each split."""

    temperature: float
    reward_offset: float
    members: list[Scale]
    metrics: dict[str, dict[str, dict[str, Any]]]


SPLITS = ("calibration", "test")


def run(
    spec: HeldoutSpec, inputs: HeldoutInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> HeldoutSummary:
    """Write `heldout.parquet`, and what a labelling and a selection read of it.

    `temperature.json` has the temperature and the members' scales; `alike.parquet` the calibration pairs scored as the
    pool is, and of an ensemble `alike_unseen.parquet` as the pool is under `label_with = unseen`.
    """
    from ser.method.heldout import measure, scale_of

    fill(spec, inputs, out, progress, execution)
    held_out = (inputs.calibration, inputs.test)
    labels, groups = tables.labels(*held_out), tables.groups(*held_out)
    by_member = {split: _scored(inputs, out, split) for split in SPLITS}
    scales = [scale_of(member, labels) for member in by_member["calibration"]]
    scored = {split: ensemble_scores(members, scales) for split, members in by_member.items()}
    longer, judged = tables.longer_is_preferred(*held_out), tables.labels(inputs.judge)
    rows, summary = measure(scored, labels, judged, groups, longer)
    tables.write(out / "heldout.parquet", tables.HELDOUT, rows)
    known = {"temperature": summary["temperature"], "members": [scale.model_dump() for scale in scales]}
    (out / "temperature.json").write_text(json.dumps(known))
    alike = scored["calibration"]
    tables.write(out / "alike.parquet", tables.ALIKE, _alike(alike, labels))
    if len(scales) > 1:
        unseen = unseen_scores(by_member["calibration"], scales, groups)
        tables.write(out / "alike_unseen.parquet", tables.ALIKE, _alike(unseen, labels))
    return HeldoutSummary(**summary, members=scales)


def fill(
    spec: HeldoutSpec,
    inputs: HeldoutInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Score the slices of process `rank` of `world` with each member, as far as they are missing."""
    from ser.models.reward_model import members_of

    members, pairs = members_of(inputs.reward_model), sum(map(tables.count, _encoded(inputs).values()))
    how: dict[str, Any] = {"batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
    how["total"] = pairs
    for number, member in enumerate(members):
        slices = {split: _slices(inputs, out, split, number) for split in SPLITS}
        if any(one.missing(rank, world) for one in slices.values()):
            told = named(progress, f"member {number + 1} of {len(members)}") if len(members) > 1 else progress
            _score_member(spec, inputs, member, slices, progress=told, **how)


def _score_member(
    spec: HeldoutSpec, inputs: HeldoutInputs, member: Path, slices: Mapping[str, Slices], **how: Any
) -> None:
    """Score both splits with one member, which is in memory no longer than that takes."""
    from ser.models.reward_model import load_to_score
    from ser.models.scoring import score_slices
    from ser.models.states.pairs import PairStates, open_states

    encoded, caches = _encoded(inputs), {"calibration": inputs.calibration_states, "test": inputs.test_states}
    model, before = load_to_score(inputs.backbone, member, spec.arithmetic), 0
    for split in SPLITS:
        cache = open_states(caches[split], encoded[split], model.trunk, spec.arithmetic)
        score_slices(model, PairStates(encoded[split], cache), slices=slices[split], before=before, **how)
        before += tables.count(encoded[split])


def _scored(inputs: HeldoutInputs, out: Path, split: str) -> list[list[Scored]]:
    """What each member says of a split."""
    from ser.models.reward_model import members_of
    from ser.models.scoring import read_scores
    from ser.models.states.pairs import PairStates

    numbers, encoded = range(len(members_of(inputs.reward_model))), _encoded(inputs)[split]
    return [list(read_scores(PairStates(encoded), _slices(inputs, out, split, number))) for number in numbers]


def _alike(scored: Iterable[Scored], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    from ser.method.heldout import correct_margin

    for one in sorted(scored, key=lambda one: one.pair_id):
        yield {"pair_id": one.pair_id, "margin": correct_margin(one, labels[one.pair_id])}


def _encoded(inputs: HeldoutInputs) -> dict[str, Path]:
    return {"calibration": inputs.calibration_encoded, "test": inputs.test_encoded}


def _slices(inputs: HeldoutInputs, out: Path, split: str, member: int) -> Slices:
    return Slices(scratch_path(out, f"{split}_{member}"), count_slices(_encoded(inputs)[split]))
