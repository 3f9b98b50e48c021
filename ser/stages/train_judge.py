"""Stage: the judge of policies, two reward models that are each measured on the pairs the other trained on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.pairs import longer_wins
from ser.data.roles import MIN_PAIRS
from ser.errors import SerError
from ser.kept import Journal, keep_as
from ser.method.heldout import accuracy, correct_margin
from ser.method.stats import share
from ser.models.reward_model import RewardModel
from ser.models.scoring import Scored, score
from ser.models.states import PairStates
from ser.ppo.comparison import judge_fold
from ser.progress import Progress
from ser.stages.specs import TrainJudgeSpec
from ser.stages.train_reward_model import gather
from ser.training import Example, is_trained, train

FOLDS = (0, 1)


def run(spec: TrainJudgeSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Train the two folds on calibration and test pairs and measure each on its own fold.

    `inputs["pairs"]` are labelled tables, `inputs["states"]` their trunk folders, in the same order;
    `inputs["judge_labels"]` serves instead of their labels if it has at least `MIN_PAIRS` of these pairs.

    Raises:
        SerError: the pairs cannot be divided into two folds.
    """
    rows = [row for path in inputs["pairs"] for row in tables.read(path)]
    given = tables.labels(inputs["judge_labels"])
    judged = [row | {"preferred": given[row["pair_id"]]} for row in rows if row["pair_id"] in given]
    # Labels of two origins would make an accuracy of neither: the judge's own serve alone if there are enough.
    own = len(judged) >= MIN_PAIRS
    rows = judged if own else rows
    labels = {row["pair_id"]: row["preferred"] for row in rows}
    fold = {row["pair_id"]: judge_fold(row["prompt"], row["group"]) for row in rows}
    if len(set(fold.values())) < len(FOLDS):
        raise SerError("all calibration and test pairs are of one group: no judge can be trained on others. Land more.")
    examples = gather(labels, inputs["states"])
    margins: dict[str, float] = {}
    offsets: list[float] = []
    for k in FOLDS:
        folder = out / f"fold_{k}"
        if not is_trained(folder):
            others = [example for example in examples if fold[example.encoded.pair.pair_id] != k]
            _train_fold(spec, inputs["backbone"], others, folder, progress)
        own_fold = {pair_id for pair_id, f in fold.items() if f == k}
        fold_margins, offset = _measure_fold(spec, inputs, folder / "rm", own_fold, labels, progress)
        margins |= fold_margins
        offsets.append(offset)
    tied = tables.groups(*inputs["pairs"])
    groups = [tied[pair_id] for pair_id in margins]
    longer = {row["pair_id"]: longer_wins(row["response_a"], row["response_b"], row["preferred"]) for row in rows}
    result = {
        "accuracy": accuracy(list(margins.values()), groups),
        "longer_wins": share([longer[pair_id] for pair_id in margins], groups),
        "labels": "judge" if own else "human",
        "offsets": offsets,
        "n": len(margins),
    }
    (out / "judge.json").write_text(json.dumps(result, sort_keys=True) + "\n")
    return result


def _train_fold(
    spec: TrainJudgeSpec, backbone: Path, examples: list[Example], folder: Path, progress: Progress
) -> None:
    model = RewardModel.new(backbone, spec.training.lora, spec.arithmetic.dtype, random_seed=spec.random_seed)
    train(
        model,
        examples,
        spec.training,
        epochs=spec.epochs,
        random_seed=spec.random_seed,
        out=folder,
        progress=progress,
    )


def _measure_fold(
    spec: TrainJudgeSpec,
    inputs: Mapping[str, Any],
    adapter: Path,
    wanted: set[str],
    labels: Mapping[str, str],
    progress: Progress,
) -> tuple[dict[str, float], float]:
    """Margins of the preferred response over the fold's own pairs, and their mean reward."""
    model = RewardModel.load(inputs["backbone"], adapter, spec.arithmetic.dtype, merged=True)
    journals = [Journal(keep_as(adapter.parent, f"scores_{n}.journal")) for n in range(len(inputs["states"]))]
    scored: list[Scored] = []
    for folder, journal in zip(inputs["states"], journals, strict=True):
        part = PairStates(folder)
        scored += score(model, part, len(wanted), progress, wanted.__contains__, before=len(scored), journal=journal)
    offset = sum(one.reward_a + one.reward_b for one in scored) / max(1, 2 * len(scored))
    return {one.pair_id: correct_margin(one, labels[one.pair_id]) for one in scored}, offset
