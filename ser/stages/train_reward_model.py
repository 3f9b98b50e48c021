"""Stage: train a reward model on labelled pairs, from the backbone or from an earlier reward model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.pairs import hard_target
from ser.models.reward_model import RewardModel
from ser.models.states import PairStates
from ser.progress import Progress
from ser.stages.specs import TrainRewardModelSpec
from ser.training import FINISHED, Example, is_trained, train


def run(spec: TrainRewardModelSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Train on `inputs["human"]` and `inputs["pseudo"]` (lists of tables with pair_id and preferred).

    `inputs["states"]` are the trunk folders that hold these pairs. With `inputs["start"]` (the folder of an
    earlier reward model) training continues from there. Human labels of the pairs in `inputs["left_out"]` (tables of
    pair_ids, if any) are passed over.
    """
    human, pseudo = tables.labels(*inputs["human"]), tables.labels(*inputs.get("pseudo", []))
    for row in (row for path in inputs.get("left_out", []) for row in tables.read(path)):
        human.pop(row["pair_id"], None)
    if not is_trained(out):
        _train(spec, inputs, gather(human | pseudo, inputs["states"]), out, progress)
    result = json.loads((out / FINISHED).read_text())
    loss = result["loss"]
    tenth = max(1, len(loss) // 10)
    return {
        "n_human": len(human),
        "n_pseudo": len(pseudo),
        "random_seed": spec.random_seed,
        "steps": result["steps"],
        "first_loss": sum(loss[:tenth]) / tenth,
        "last_loss": sum(loss[-tenth:]) / tenth,
    }


def _train(
    spec: TrainRewardModelSpec, inputs: Mapping[str, Any], examples: list[Example], out: Path, progress: Progress
) -> None:
    start = inputs.get("start")
    if start is None:
        model = RewardModel.new(
            inputs["backbone"], spec.training.lora, spec.arithmetic.dtype, random_seed=spec.random_seed
        )
    else:
        model = RewardModel.load(inputs["backbone"], start, spec.arithmetic.dtype, trainable=True)
    train(
        model,
        examples,
        spec.training,
        epochs=spec.epochs,
        random_seed=spec.random_seed,
        out=out,
        progress=progress,
    )


def gather(labels: Mapping[str, str], folders: list[Path]) -> list[Example]:
    """The labelled pairs with their states, in the order of their identities."""
    found = {
        item.pair.pair_id: Example(item, hard_target(labels[item.pair.pair_id]))
        for folder in folders
        for item in PairStates(folder).pairs()
        if item.pair.pair_id in labels
    }
    missing = labels.keys() - found.keys()
    if missing:
        raise ValueError(f"{len(missing)} labelled pairs have no states, for instance {min(missing)}")
    return [found[pair_id] for pair_id in sorted(found)]
