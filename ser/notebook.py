"""The method on pandas DataFrames, for a notebook: in memory, without an artifact store (docs/notebook.md)."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.data.frames import read_labels, read_pairs, require, texts
from ser.data.pairs import Pair, canonical_prompt, keyed_hash, longer_wins
from ser.errors import SerError
from ser.method.labels import Label, label_pair
from ser.method.recipe import Recipe
from ser.progress import silent
from ser.specs import Arithmetic, Encoding, RewardTraining, Training

if TYPE_CHECKING:
    import pandas as pd

    from ser.models.text_reward_model import TextRewardModel

ENCODING, ARITHMETIC, TRAINING = Encoding(), Arithmetic(), Training()
LOOP_EPOCHS = Recipe().student_epochs or 1


def load_reward_model(
    backbone: str | Path, adapter: str | Path, *, encoding: Encoding = ENCODING, arithmetic: Arithmetic = ARITHMETIC
) -> TextRewardModel:
    """A saved reward model: `save`'s, or that of an evolution (the folder `rm` of its artifact)."""
    from ser.models.text_reward_model import TextRewardModel

    return TextRewardModel.load(_tried(backbone), Path(adapter), encoding, arithmetic)


def train_reward_model(
    backbone: str | Path,
    *labelled: pd.DataFrame,
    training: Training = TRAINING,
    epochs: int | None = None,
    random_seed: int = 0,
    encoding: Encoding = ENCODING,
    arithmetic: Arithmetic = ARITHMETIC,
) -> TextRewardModel:
    """A new reward model over a backbone's folder, trained on frames with `prompt`, `chosen`, `rejected` or selections.

    Of a pair in several frames the last label counts. Without `epochs` they are those of a seed of so many labels.
    """
    from ser.models.text_reward_model import TextRewardModel

    labels = _gather(labelled)
    model = TextRewardModel.new(_tried(backbone), training.lora, encoding, arithmetic, random_seed)
    seed = RewardTraining(**training.model_dump(include=set(Training.model_fields)))
    return _train(model, labels, training, epochs or seed.epochs_on(len(labels)), random_seed)


def retrain(
    model: TextRewardModel,
    *labelled: pd.DataFrame,
    training: Training = TRAINING,
    epochs: int = LOOP_EPOCHS,
    random_seed: int = 0,
) -> TextRewardModel:
    """Train a copy of a reward model on, on the same kinds of frames; its adapter keeps its own shape."""
    labels = _gather(labelled)
    student = replace(model, reward_model=copy.deepcopy(model.reward_model))
    return _train(student, labels, training, epochs, random_seed)


def measure(model: TextRewardModel, heldout: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The scores of pairs with `prompt`, `chosen`, `rejected`, and metrics: shares with their intervals, `temperature`.

    The temperature is fitted to these pairs; pairs of one prompt are taken to be right or wrong together.
    """
    import pandas as pd

    from ser.method import heldout as held_out

    pairs = read_pairs(heldout, "chosen", "rejected")
    labels = {row.pair.pair_id: "a" if row.as_given else "b" for row in pairs}
    groups = {row.pair.pair_id: keyed_hash("group", row.pair.prompt) for row in pairs}
    longer = {
        row.pair.pair_id: longer_wins(row.pair.response_a, row.pair.response_b, labels[row.pair.pair_id])
        for row in pairs
    }
    scored = model.score([row.pair for row in pairs])
    rows, summary = held_out.measure({"calibration": scored}, labels, {}, groups, longer)
    known = texts(heldout, pairs)
    scores = known[["pair_id", "prompt"]].merge(pd.DataFrame(rows).drop(columns="split"), on="pair_id")
    scores["right"] = [held_out.correct_margin(one, labels[one.pair_id]) > 0 for one in scored]
    return scores.set_axis(known.index), {"temperature": summary["temperature"], **summary["metrics"]["calibration"]}


def self_label(model: TextRewardModel, pool: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """The machine labels of pairs with `prompt`, `response_a`, `response_b`, under the index of `pool`.

    p = sigmoid(reward - mean reward of the pool). Which response is a is decided by the pair, not by `pool`.
    """
    import pandas as pd

    pairs = read_pairs(pool)
    scored = model.score([row.pair for row in pairs])
    offset = sum(one.reward_a + one.reward_b for one in scored) / (2 * len(scored))
    known = texts(pool, pairs)
    rows = [label_pair(asdict(one), offset, temperature) for one in scored]
    return pd.concat([known, pd.DataFrame(rows, known.index).drop(columns="pair_id")], axis="columns")


def select(labels: pd.DataFrame, recipe: Recipe, heldout: pd.DataFrame | None = None) -> pd.DataFrame:
    """Self-labels with `kept`, `rule`, `reason`, `target` and `weight`; `attrs` has the pool's status and its counts.

    Without thresholds.n_min the frame is taken for the pool of loop 1. A recipe that selects by `calibrated` reads the
    scores of `measure`; its relative promise is taken from their accuracy, which is meant for the seed's.
    """
    import pandas as pd

    from ser.method.selection import PairRule, count_statuses, learning_status, select_pair

    decided_by = ["p_a", "p_b", "confidence", "preferred"]
    require(labels, "pair_id", *decided_by)
    n_min = recipe.thresholds.sufficient(len(labels))
    counts = count_statuses(zip(labels["p_a"], labels["p_b"], strict=True), recipe.thresholds)
    status = learning_status(*counts, n_min)
    cut = _cut(labels, recipe, heldout, n_min) if recipe.select == "calibrated" else None
    rule = PairRule.of_loop(recipe.select, status, recipe.thresholds, cut)
    chosen = [select_pair(rule, recipe.target, *row) for row in labels[decided_by].itertuples(index=False, name=None)]
    selections = pd.DataFrame(chosen, labels.index)
    result = pd.concat([labels.drop(columns=selections.columns, errors="ignore"), selections], axis="columns")
    result.attrs = {"status": status, "n_status_1": counts[0], "n_status_2": counts[1], "n_min": n_min, "cut": cut}
    return result


def _tried(backbone: str | Path) -> Path:
    """The folder of a backbone whose tokenizer and chat template come to an end."""
    from ser.models.probe import probe

    folder = Path(backbone).resolve()
    probe(folder)
    return folder


def _cut(labels: pd.DataFrame, recipe: Recipe, heldout: pd.DataFrame | None, n_min: int) -> float | None:
    from ser.method.precision import calibrated_cut, promised_precision

    if heldout is None or recipe.min_precision is None:
        raise SerError("select = calibrated reads held-out scores. Give `select` the DataFrame of `measure`.")
    require(heldout, "prompt", "confidence", "right")
    right, groups = heldout["right"].to_numpy(), [canonical_prompt(prompt) for prompt in heldout["prompt"]]
    promised = promised_precision(recipe.min_precision, float(right.mean()))
    sure, pool = heldout["confidence"].to_numpy(), labels["confidence"].to_numpy()
    return calibrated_cut(sure, right, groups, pool, promised, n_min).confidence


def _gather(labelled: Sequence[pd.DataFrame]) -> dict[Pair, Label]:
    """The labels of several frames; those of a later one win."""
    labels = {pair: label for frame in labelled for pair, label in read_labels(frame).items()}
    if not labels:
        raise SerError("there is no label to train on. Give at least one DataFrame with labels of some weight.")
    return labels


def _train(
    model: TextRewardModel, labels: Mapping[Pair, Label], training: Training, epochs: int, random_seed: int
) -> TextRewardModel:
    """Train the reward model in place; what the training keeps on disk goes when it ends."""
    from ser.models.states.pairs import EncodedStates
    from ser.training import Example, train

    examples = [
        Example(EncodedStates(asdict(model.encode(pair)) | {"slice": 0, "offset": 0}, None), *labels[pair])
        for pair in sorted(labels, key=lambda pair: pair.pair_id)
    ]
    with tempfile.TemporaryDirectory() as folder:
        how: dict[str, Any] = {"epochs": epochs, "random_seed": random_seed, "progress": silent}
        train(model.reward_model, examples, training, out=Path(folder), **how)
    return model
