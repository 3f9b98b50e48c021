"""Stage: train a reward model on labelled pairs, from the backbone or from an earlier reward model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.pairs import hard_target
from ser.method.labels import Label, weighted
from ser.method.recipe import epochs_that_see
from ser.method.selection import fold_of
from ser.progress import Progress
from ser.specs import HERE, Execution, ModelSpec, Training
from ser.stages.job import Inputs, Summary


class TrainRewardModelSpec(ModelSpec):
    """What a reward model depends on besides its data.

    `human_share` is the least share of the loss's weight on human pairs. With `folds`, the pseudo-labels of the pairs
    in fold `left_fold` are passed over: this model is to label them. With `steps`, the optimiser takes so
    many, whatever the epochs. With `as_on_human`, whole epochs go on until as many pairs were seen as in `epochs` over
    the human labels alone.
    """

    training: Training
    epochs: int
    as_on_human: bool = False
    random_seed: int
    human_share: float | None = None
    folds: int | None = None
    left_fold: int = 0
    steps: int | None = None


class TrainRewardModelInputs(Inputs):
    """Tables of human labels and of selected pairs, the tokens that hold them, and where training starts.

    `start` is the folder of an earlier reward model; without it, training starts from the backbone. Human labels of the
    pairs in the tables `left_out` are passed over. `units` says what ties the pairs of the pool, where there are folds.
    `states` are caches, one for each of the tokens, or none.
    """

    backbone: Path
    human: list[Path]
    encoded: list[Path]
    states: Sequence[Path] = ()
    pseudo: Sequence[Path] = ()
    start: Path | None = None
    left_out: Sequence[Path] = ()
    units: Path | None = None


class TrainRewardModelSummary(Summary):
    """How many labels of each kind, and how the loss went: the means of its first and last tenth."""

    n_human: int
    n_pseudo: int
    random_seed: int
    steps: int
    first_loss: float
    last_loss: float


def run(
    spec: TrainRewardModelSpec,
    inputs: TrainRewardModelInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
) -> TrainRewardModelSummary:
    """Train on human and pseudo-labels, and write the model into `out/rm`."""
    from ser.examples import encoded_parts, gather
    from ser.models.reward_model import trunk_layers
    from ser.training import FINISHED, is_trained

    human, pseudo = _human_labels(inputs), _pseudo_labels(spec, inputs)
    if not is_trained(out):
        trunk = trunk_layers(inputs.backbone, spec.training.lora)
        parts = encoded_parts(inputs.encoded, inputs.states, trunk, spec.arithmetic)
        _train(
            spec,
            inputs,
            gather(weighted(human, pseudo, spec.human_share), parts),
            epochs_that_see(spec.epochs * len(human), of=len(human | pseudo)) if spec.as_on_human else spec.epochs,
            out,
            progress,
            execution.batch_tokens,
        )
    result = json.loads((out / FINISHED).read_text())
    loss = result["loss"]
    tenth = max(1, len(loss) // 10)
    return TrainRewardModelSummary(
        n_human=len(human),
        n_pseudo=len(pseudo),
        random_seed=spec.random_seed,
        steps=result["steps"],
        first_loss=sum(loss[:tenth]) / tenth,
        last_loss=sum(loss[-tenth:]) / tenth,
    )


def _human_labels(inputs: TrainRewardModelInputs) -> dict[str, Label]:
    labels = tables.labels(*inputs.human)
    for row in (row for path in inputs.left_out for row in tables.read(path)):
        labels.pop(row["pair_id"], None)
    return {pair_id: Label(hard_target(preferred)) for pair_id, preferred in labels.items()}


def _pseudo_labels(spec: TrainRewardModelSpec, inputs: TrainRewardModelInputs) -> dict[str, Label]:
    """The latest label of every selected pair that this model may learn from."""
    rows = (row for path in inputs.pseudo for row in tables.read(path))
    labels = {row["pair_id"]: Label(row["target"], row["weight"]) for row in rows}
    if spec.folds is not None and inputs.units is not None:
        for row in tables.read(inputs.units):
            if fold_of(row["unit"], spec.folds) == spec.left_fold:
                labels.pop(row["pair_id"], None)
    return labels


def _train(
    spec: TrainRewardModelSpec,
    inputs: TrainRewardModelInputs,
    examples: Sequence[Any],
    epochs: int,
    out: Path,
    progress: Progress,
    batch_tokens: int | None,
) -> None:
    from ser.models.reward_model import RewardModel
    from ser.training import train

    start = inputs.start
    if start is None:
        model = RewardModel.new(inputs.backbone, spec.training.lora, spec.arithmetic, random_seed=spec.random_seed)
    else:
        model = RewardModel.load(inputs.backbone, start, spec.arithmetic, trainable=True)
    train(
        model,
        examples,
        spec.training,
        epochs=epochs,
        random_seed=spec.random_seed,
        out=out,
        progress=progress,
        batch_tokens=batch_tokens,
        steps=spec.steps,
    )
