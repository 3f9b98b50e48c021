"""Stage: the judge of policies, two reward models that are each measured on the pairs the other trained on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ser.data import tables
from ser.data.encoded import count_slices
from ser.data.pairs import hard_target, longer_wins
from ser.data.roles import MIN_PAIRS
from ser.errors import SerError
from ser.method.comparison import judge_fold
from ser.method.labels import Label
from ser.method.scored import Scored
from ser.method.stats import share
from ser.progress import Progress, named
from ser.scratch import scratch_path
from ser.slices import Slices
from ser.specs import HERE, Execution, ModelSpec, Training
from ser.stages.job import Inputs, Summary


class TrainJudgeSpec(ModelSpec):
    """How the judge is trained; its random seed differs from that of every model it judges."""

    training: Training
    epochs: int
    random_seed: int


class TrainJudgeInputs(Inputs):
    """Labelled tables, their tokens in the same order, and a table of judge labels.

    `states` are caches, one for each of the tokens, or none.
    """

    backbone: Path
    pairs: list[Path]
    encoded: list[Path]
    judge_labels: Path
    states: Sequence[Path] = ()


class TrainJudgeSummary(Summary):
    """The judge's accuracy and that of the longer response, whose labels it learned, and each fold's mean reward."""

    accuracy: dict[str, Any]
    longer_wins: dict[str, Any]
    labels: Literal["judge", "human"]
    offsets: list[float]
    n: int


FOLDS = (0, 1)


def run(
    spec: TrainJudgeSpec, inputs: TrainJudgeInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> TrainJudgeSummary:
    """Train the two folds on calibration and test pairs and measure each on its own fold.

    The judge labels serve instead of the labels of the tables if there are at least `MIN_PAIRS` of these pairs.

    Raises:
        SerError: the pairs cannot be divided into two folds.
    """
    from ser.examples import encoded_parts, gather
    from ser.method.heldout import accuracy, correct_margin
    from ser.models.reward_model import trunk_layers
    from ser.training import is_trained

    rows = [row for path in inputs.pairs for row in tables.read(path)]
    given = tables.labels(inputs.judge_labels)
    judged = [row | {"preferred": given[row["pair_id"]]} for row in rows if row["pair_id"] in given]
    # Labels of two origins would make an accuracy of neither: the judge's own serve alone if there are enough.
    own = len(judged) >= MIN_PAIRS
    rows = judged if own else rows
    labels = {row["pair_id"]: row["preferred"] for row in rows}
    fold = {row["pair_id"]: judge_fold(row["unit"]) for row in rows}
    if len(set(fold.values())) < len(FOLDS):
        raise SerError(
            "all calibration and test pairs are tied to each other: no judge can be trained on others. Land more."
        )
    trunk = trunk_layers(inputs.backbone, spec.training.lora)
    parts = encoded_parts(inputs.encoded, inputs.states, trunk, spec.arithmetic)
    examples = gather({pair_id: Label(hard_target(preferred)) for pair_id, preferred in labels.items()}, parts)
    margins: dict[str, float] = {}
    offsets: list[float] = []
    for k in FOLDS:
        folder = out / f"fold_{k}"
        training, scoring = (
            named(progress, f"fold {k + 1} of {len(FOLDS)}, {work}") for work in ("training", "scoring")
        )
        if not is_trained(folder):
            others = [example for example in examples if fold[example.encoded.pair.pair_id] != k]
            _train_fold(spec, inputs.backbone, others, folder, training, execution.batch_tokens)
        own_fold = {pair_id for pair_id, f in fold.items() if f == k}
        scored = _score_fold(spec, inputs, folder / "rm", parts, own_fold, scoring, execution)
        fold_margins = {one.pair_id: correct_margin(one, labels[one.pair_id]) for one in scored}
        offset = sum(one.reward_a + one.reward_b for one in scored) / max(1, 2 * len(scored))
        margins |= fold_margins
        offsets.append(offset)
    tied = tables.groups(*inputs.pairs)
    groups = [tied[pair_id] for pair_id in margins]
    longer = {row["pair_id"]: longer_wins(row["response_a"], row["response_b"], row["preferred"]) for row in rows}
    summary = TrainJudgeSummary(
        accuracy=accuracy(list(margins.values()), groups),
        longer_wins=share([longer[pair_id] for pair_id in margins], groups),
        labels="judge" if own else "human",
        offsets=offsets,
        n=len(margins),
    )
    (out / "judge.json").write_text(json.dumps(summary.model_dump(), sort_keys=True) + "\n")
    return summary


def _train_fold(
    spec: TrainJudgeSpec,
    backbone: Path,
    examples: Sequence[Any],
    folder: Path,
    progress: Progress,
    batch_tokens: int | None,
) -> None:
    from ser.models.reward_model import RewardModel
    from ser.training import train

    model = RewardModel.new(backbone, spec.training.lora, spec.arithmetic, random_seed=spec.random_seed)
    train(
        model,
        examples,
        spec.training,
        epochs=spec.epochs,
        random_seed=spec.random_seed,
        out=folder,
        progress=progress,
        batch_tokens=batch_tokens,
    )


def _score_fold(
    spec: TrainJudgeSpec,
    inputs: TrainJudgeInputs,
    adapter: Path,
    parts: Sequence[Any],
    own: set[str],
    progress: Progress,
    execution: Execution,
) -> list[Scored]:
    """The rewards of the fold's own pairs; those that a killed process wrote are not computed again."""
    from ser.models.reward_model import load_to_score
    from ser.models.scoring import read_scores, score_slices

    model = load_to_score(inputs.backbone, adapter, spec.arithmetic)
    scored: list[Scored] = []
    for number, (part, path) in enumerate(zip(parts, inputs.encoded, strict=True)):
        slices = Slices(scratch_path(adapter.parent, f"scores_{number}"), count_slices(path))
        score_slices(
            model,
            part,
            slices,
            progress,
            own.__contains__,
            total=len(own),
            before=len(scored),
            batch_tokens=execution.batch_tokens,
        )
        scored += read_scores(part, slices, own.__contains__)
    return scored
