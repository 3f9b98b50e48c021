"""Test accuracy by how many layers are adapted: the price of the frozen trunk.

Each training is a row of `docs/results/adapted-layers.csv`, written as soon as it is done; a run goes on where another
was stopped.
"""

import csv
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd

from bench.measure import table
from bench.ours import with_states
from bench.workload import MAX_LENGTH, Workload, fitting, model_folder
from resources.landing.comparison import Row
from resources.settings_file import ROOT
from resources.stamp import machine, versions
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair, encode_pair
from ser.data.pairs import hard_target, unit_interval
from ser.errors import SerError
from ser.models.reward_model import RewardModel, load_to_score
from ser.models.scoring import score
from ser.models.states.pairs import PairStates
from ser.models.states.writing import write_states
from ser.progress import silent
from ser.specs import Arithmetic, Lora, RewardTraining
from ser.training import Example, train

RESULTS = ROOT / "docs" / "results" / "adapted-layers.csv"
COLUMNS = [
    "data", "top", "random_seed", "train_pairs", "epochs", "learning_rate", "dtype", "date", "machine", "versions",
    "test_pairs", "accuracy", "correct",
]  # fmt: skip
HEADINGS = [
    "data",
    "adapted layers",
    "answers",
    "test accuracy, mean",
    "by random seed",
    "against all layers",
    "95 % interval",
]
SETTING = COLUMNS[3:7]
SIZES = {"sample": (200, 400), "hh_harmless": (160, 400)}
"""Pairs to train on and to test on."""
TOPS = {"sample": (1.0, 0.5, 1 / 3, 0.25), "hh_harmless": (1.0, 0.5, 0.25)}
SEEDS = (0, 1, 2)


def accuracy(dtype: str) -> str:
    """Train what is not in the results yet, and return the table of all of them, and which are new.

    A table has one arithmetic: that of the results there are, or else `dtype`.
    """
    cases = [(data, top) for data in SIZES for top in TOPS[data]]
    recorded = [row for case in cases for row in _results(*case)]
    dtype = recorded[0]["dtype"] if recorded else dtype
    for data, top in cases:
        known = {int(row["random_seed"]): row for row in _results(data, top)}
        for seed in SEEDS:
            if seed not in known:
                _append([data, round(top, 4), seed, *_setting(data, dtype), *_trained(data, top, seed, dtype)])
                print(f"{data}, top {top:.2f}, random seed {seed}: done", flush=True)
            elif (found := [known[seed][name] for name in SETTING]) != [str(one) for one in _setting(data, dtype)]:
                raise SerError(f"{RESULTS.name} was made with other settings ({', '.join(found)}). Delete it.")
    origin = _origin(len(cases) * len(SEEDS), [row["date"] for row in recorded])
    return f"All in {dtype}. {origin}\n\n{table([_row(*case) for case in cases], HEADINGS)}"


def _origin(total: int, recorded: Sequence[str]) -> str:
    """What the stamp above the table holds for, and what it does not."""
    new = f"Of {total} trainings {total - len(recorded)} were made in this call, on this machine"
    dates = ", ".join(f"{count} of {date}" for date, count in sorted(Counter(recorded).items()))
    return f"{new}; recorded before: {dates}." if dates else f"{new}."


def _setting(data: str, dtype: str) -> list[object]:
    """What a row depends on, besides its training; in the order of `SETTING`."""
    settings = RewardTraining()
    return [SIZES[data][0], settings.seed_epochs, settings.learning_rate, dtype]


def _trained(data: str, top: float, seed: int, dtype: str) -> list[object]:
    """Train and measure: the columns after those of `SETTING`."""
    chosen, test = _drawn(data, seed)
    tokenizer = Workload(data, 1).tokenizer
    labels = {row.pair.pair_id: row.preferred or "" for row in (*chosen, *test)}
    settings = RewardTraining(lora=Lora(top=top))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = RewardModel.new(model_folder(), settings.lora, Arithmetic(dtype=dtype), random_seed=seed)
        states = {}
        for part, rows in (("train", chosen), ("test", test)):
            pairs = [encode_pair(tokenizer, row.pair, MAX_LENGTH) for row in rows]
            states[part] = _states(model, pairs, folder / part, Arithmetic(dtype=dtype))
        examples = sorted(states["train"].pairs(), key=lambda item: item.pair.pair_id)
        train(
            model, [Example(item, hard_target(labels[item.pair.pair_id])) for item in examples], settings,
            epochs=settings.seed_epochs, random_seed=seed, out=folder, progress=silent,
        )  # fmt: skip
        model = load_to_score(model_folder(), folder / "rm", Arithmetic(dtype=dtype))
        scored = sorted(score(model, states["test"]), key=lambda one: one.pair_id)
    correct = [one.margin * (1 if labels[one.pair_id] == "a" else -1) > 0 for one in scored]
    bits = "".join(str(int(one)) for one in correct)
    today = datetime.now(UTC).date().isoformat()
    return [today, machine(), versions(), len(test), round(mean(correct), 4), bits]


@cache
def _drawn(data: str, seed: int) -> tuple[list[Row], list[Row]]:
    """Training pairs drawn by `seed`, and the test pairs, which stay the same, by pair_id."""
    size, tested = SIZES[data]
    test, rest = _split(fitting(data), tested)
    return random.Random(seed).sample(rest, size), sorted(test, key=lambda row: row.pair.pair_id)


def _split(rows: Sequence[Row], tested: int) -> tuple[list[Row], list[Row]]:
    """About `tested` test pairs, whole prompts by a hash, and the others."""
    ordered = sorted(rows, key=lambda row: (unit_interval("bench-test", row.pair.prompt), row.pair.pair_id))
    at = tested
    while ordered[at].pair.prompt == ordered[at - 1].pair.prompt:
        at += 1
    return ordered[:at], ordered[at:]


def _states(model: RewardModel, pairs: Sequence[EncodedPair], folder: Path, arithmetic: Arithmetic) -> PairStates:
    folder.mkdir()
    write_encoded(pairs, folder)
    write_states(model, folder / ENCODED_NAME, folder, arithmetic)
    return with_states(model, folder, arithmetic)


def _results(data: str, top: float) -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["data"] == data and float(row["top"]) == round(top, 4)]


def _append(row: list[object]) -> None:
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, row] if new else [row])


def _row(data: str, top: float) -> list[str]:
    """The mean over seeds, and the difference from all layers on the same pairs and seeds."""
    here, whole = (_answers(data, one) for one in (top, 1.0))
    each = ", ".join(f"{100 * one:.1f}" for one in here.groupby("random_seed")["correct"].mean())
    name = "all" if top == 1.0 else f"top {top:.0%}"
    cells = [data, name, f"{len(here):,}", f"{100 * here['correct'].mean():.1f} %", each]
    if top == 1.0:
        return [*cells, "–", "–"]
    gain, error = _mean_gain(here.assign(gain=here["correct"] - whole["correct"]))
    low, high = (100 * (gain + sign * 1.96 * error) for sign in (-1, 1))
    return [*cells, f"{100 * gain:+.1f} points", f"{low:+.1f} to {high:+.1f}"]


def _mean_gain(answers: pd.DataFrame) -> tuple[float, float]:
    """The mean of `gain` and its standard error over scenarios: what varies independently is a scenario, whose pairs
    and answers by several seeds vary together (cluster-robust variance of a mean)."""
    mean_gain = answers["gain"].mean()
    sums = (answers["gain"] - mean_gain).groupby(answers["scenario"]).sum()
    return mean_gain, float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / len(answers))


def _answers(data: str, top: float) -> pd.DataFrame:
    """1 or 0 (`correct`) of every test pair (`scenario`) by every training (`random_seed`).

    Pairs of a scenario that the training has seen, in other words, are left out.
    """
    frames = []
    for result in sorted(_results(data, top), key=lambda one: one["random_seed"]):
        chosen, test = _drawn(data, int(result["random_seed"]))
        seen = {_scenario(row) for row in chosen}
        bits = zip(test, result["correct"], strict=True)
        correct = [(_scenario(row), int(bit)) for row, bit in bits if _scenario(row) not in seen]
        frames.append(pd.DataFrame(correct, columns=["scenario", "correct"]).assign(random_seed=result["random_seed"]))
    return pd.concat(frames, ignore_index=True)


def _scenario(row: Row) -> str:
    return row.group or row.pair.prompt
