"""Stage: train a reward model on labelled pairs, from the backbone or from an earlier reward model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.progress import Progress
from ser.specs import HERE, Execution, ModelSpec, Training
from ser.stages.job import Inputs, Summary


class TrainRewardModelSpec(ModelSpec):
    """What a reward model depends on besides its data."""

    training: Training
    epochs: int
    random_seed: int


class TrainRewardModelInputs(Inputs):
    """Tables with pair_id and preferred, the tokens that hold their pairs, and where training starts.

    `start` is the folder of an earlier reward model; without it, training starts from the backbone. Human labels of the
    pairs in the tables `left_out` are passed over. `states` are caches, one for each of the tokens, or none.
    """

    backbone: Path
    human: list[Path]
    encoded: list[Path]
    states: Sequence[Path] = ()
    pseudo: Sequence[Path] = ()
    start: Path | None = None
    left_out: Sequence[Path] = ()


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

    human, pseudo = tables.labels(*inputs.human), tables.labels(*inputs.pseudo)
    for row in (row for path in inputs.left_out for row in tables.read(path)):
        human.pop(row["pair_id"], None)
    if not is_trained(out):
        trunk = trunk_layers(inputs.backbone, spec.training.lora)
        parts = encoded_parts(inputs.encoded, inputs.states, trunk, spec.arithmetic)
        _train(spec, inputs, gather(human | pseudo, parts), out, progress)
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


def _train(
    spec: TrainRewardModelSpec, inputs: TrainRewardModelInputs, examples: Sequence[Any], out: Path, progress: Progress
) -> None:
    from ser.models.backbone import load_tokenizer
    from ser.models.reward_model import RewardModel
    from ser.training import train

    start = inputs.start
    if start is None:
        model = RewardModel.new(inputs.backbone, spec.training.lora, spec.arithmetic, random_seed=spec.random_seed)
    else:
        model = RewardModel.load(inputs.backbone, start, spec.arithmetic, trainable=True)
    train(
        model,
        load_tokenizer(inputs.backbone),
        examples,
        spec.training,
        epochs=spec.epochs,
        random_seed=spec.random_seed,
        out=out,
        progress=progress,
    )
