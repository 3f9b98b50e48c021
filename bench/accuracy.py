"""Test accuracy by how many layers are adapted: the price of the frozen trunk.

Each training is a row of `docs/results/adapted-layers.csv`, written as soon as it is done; a run goes on where another
was stopped.
"""

import csv
import random
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from bench.measure import table
from bench.ours import silent
from bench.workload import MAX_LENGTH, Workload, model_folder
from resources.settings import ROOT
from ser.encoded import write_encoded
from ser.encoding import EncodedPair, encode_pair
from ser.pairs import unit_interval
from ser.reward_model import RewardModel
from ser.reward_training import Example, train
from ser.rows import Row
from ser.scoring import score
from ser.specs import Lora, RewardTraining
from ser.states import PairStates, write_states

RESULTS = ROOT / "docs" / "results" / "adapted-layers.csv"
COLUMNS = ["data", "top", "random_seed", "train_pairs", "epochs", "test_pairs", "accuracy", "correct"]
HEADINGS = ["data", "adapted layers", "test accuracy, mean", "by random seed", "against all layers", "95 % interval"]
SIZES = {"sample": (200, 400), "hh_harmless": (160, 400)}
"""Pairs to train on and to test on."""
TOPS = (1.0, 0.5, 1 / 3, 0.25)
SEEDS = (0, 1, 2)


def accuracy(dtype: str) -> str:
    """Train what is not in the results yet, and return the table of all of them."""
    known = {(row["data"], float(row["top"]), int(row["random_seed"])) for row in _results()}
    for top, data, seed in product(TOPS, SIZES, SEEDS):
        if (data, round(top, 4), seed) not in known:
            _append(_trained(data, top, seed, dtype))
            print(f"{data}, top {top:.2f}, random seed {seed}: done", flush=True)
    return table([_row(data, top) for data, top in product(SIZES, TOPS)], HEADINGS)


def _trained(data: str, top: float, seed: int, dtype: str) -> list[object]:
    """Train on a sample of the training prompts drawn by `seed`, and measure on the test pairs, which stay the same."""
    size, tested = SIZES[data]
    work = Workload(data, 1)
    test, rest = _split(work.fitting, tested)
    chosen = random.Random(seed).sample(rest, size)
    labels = {row.pair.pair_id: row.preferred or "" for row in (*chosen, *test)}
    settings = RewardTraining(lora=Lora(top=top))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = RewardModel.new(model_folder(), settings.lora, dtype, random_seed=seed)
        states = {}
        for part, rows in (("train", chosen), ("test", test)):
            pairs = [encode_pair(work.tokenizer, row.pair, MAX_LENGTH) for row in rows]
            states[part] = _states(model, pairs, folder / part)
        examples = sorted(states["train"].pairs(), key=lambda item: item.pair.pair_id)
        train(
            model, work.tokenizer, [Example(item, labels[item.pair.pair_id]) for item in examples], settings,
            epochs=settings.seed_epochs, random_seed=seed, out=folder, progress=silent,
        )  # fmt: skip
        merged = RewardModel.load(model_folder(), folder / "rm", dtype, merged=True)
        scored = sorted(score(merged, states["test"], len(test), silent), key=lambda one: one.pair_id)
    correct = [(one.margin > 0) == (labels[one.pair_id] == "a") for one in scored]
    bits = "".join(str(int(one)) for one in correct)
    return [data, round(top, 4), seed, size, settings.seed_epochs, len(test), round(mean(correct), 4), bits]


def _split(rows: Sequence[Row], tested: int) -> tuple[list[Row], list[Row]]:
    """About `tested` test pairs, whole prompts by a hash, and the others."""
    ordered = sorted(rows, key=lambda row: (unit_interval("bench-test", row.pair.prompt), row.pair.pair_id))
    at = tested
    while ordered[at].pair.prompt == ordered[at - 1].pair.prompt:
        at += 1
    return ordered[:at], ordered[at:]


def _states(model: RewardModel, pairs: Sequence[EncodedPair], folder: Path) -> PairStates:
    folder.mkdir()
    write_encoded(pairs, folder)
    write_states(model, folder, silent)
    return PairStates(folder)


def _results() -> Iterator[dict[str, str]]:
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            yield from csv.DictReader(file)


def _append(row: list[object]) -> None:
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, row] if new else [row])


def _row(data: str, top: float) -> list[str]:
    """The mean over seeds, and the difference from all layers on the same pairs and seeds."""
    here, whole = (_correct(data, one) for one in (top, 1.0))
    each = ", ".join(f"{100 * one:.1f}" for one in here.mean(axis=1))
    cells = [data, "all" if top == 1.0 else f"top {top:.0%}", f"{100 * here.mean():.1f} %", each]
    if top == 1.0:
        return [*cells, "–", "–"]
    # Test pairs are the same for all seeds, so a pair, and not an answer, is what varies independently.
    gains = (here - whole).mean(axis=0)
    error = 1.96 * stdev(gains) / np.sqrt(len(gains))
    low, high = (100 * (gains.mean() + sign * error) for sign in (-1, 1))
    return [*cells, f"{100 * gains.mean():+.1f} points", f"{low:+.1f} to {high:+.1f}"]


def _correct(data: str, top: float) -> np.ndarray:
    """[seeds, test pairs] 1 where the pair is ranked as people do."""
    rows = [row for row in _results() if row["data"] == data and float(row["top"]) == round(top, 4)]
    return np.array([[int(bit) for bit in row["correct"]] for row in sorted(rows, key=lambda row: row["random_seed"])])
