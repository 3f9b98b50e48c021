"""Pairs as vectors: what the frozen layers of the embedded model say of one response less that of the other."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from bench.ours import with_states
from bench.workload import model_folder
from resources.landing.comparison import Row
from resources.landing.shapes.reader import ShapeReader
from resources.settings_file import data_root
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair, TooLongError, encode_pair
from ser.models.reward_model import RewardModel
from ser.models.states.pairs import EncodedStates
from ser.models.states.writing import write_states
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic, Lora

TOP = 0.25
"""The layers that are not passed: as many as the studies adapt."""
MAX_LENGTH = 512
COMPONENTS = 200
"""Principal components that a pair is reduced to."""


@dataclass(frozen=True)
class LinearPairs:
    """`x` [N, COMPONENTS], of mean squared length 1; `labels` [N], 1 where a is preferred; `groups` [N]."""

    x: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def linear_pairs(file: Path) -> LinearPairs:
    """The labelled pairs of JSON lines whose responses fit into MAX_LENGTH; the pass is kept in the data root."""
    rows = _rows(file)
    kept = data_root() / "bench" / f"linear-{_digest(rows)}.npy"
    differences = _differences(rows, kept)
    fits = ~np.isnan(differences).any(axis=1)
    rows, differences = [row for row, fit in zip(rows, fits, strict=True) if fit], differences[fits]
    differences /= differences.std(axis=0) + 1e-6
    u, s, _ = np.linalg.svd(differences, full_matrices=False)
    x = u[:, :COMPONENTS] * s[:COMPONENTS]
    x /= np.sqrt((x**2).sum(axis=1).mean())
    labels = np.array([float(row.preferred == "a") for row in rows])
    return LinearPairs(x, labels, np.array([row.group or row.pair.prompt for row in rows]))


def _rows(file: Path) -> list[Row]:
    reader = ShapeReader()
    parsed = [row for line in file.read_text().splitlines() for row in reader.read(json.loads(line))]
    known = {row.pair.pair_id: row for row in parsed if isinstance(row, Row) and row.preferred}
    return [known[name] for name in sorted(known)]


def _digest(rows: list[Row]) -> str:
    about = [str(model_folder()), f"{TOP}", f"{MAX_LENGTH}", *(row.pair.pair_id for row in rows)]
    return hashlib.sha256(" ".join(about).encode()).hexdigest()[:12]


def _differences(rows: list[Row], kept: Path) -> np.ndarray:
    """[N, 2 H]: the mean state of response a less that of b, the last of each likewise; NaN where they do not fit."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        tokenizer, arithmetic = load_tokenizer(model_folder()), Arithmetic(dtype="float32")
        model = RewardModel.new(model_folder(), Lora(top=TOP), arithmetic, random_seed=0)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_encoded(_encoded(tokenizer, rows), folder)
            write_states(model, folder / ENCODED_NAME, folder, arithmetic)
            found = {one.pair.pair_id: _difference(one) for one in with_states(model, folder, arithmetic).pairs()}
        whole = kept.with_suffix(".tmp.npy")
        absent = np.full_like(next(iter(found.values())), np.nan)
        np.save(whole, np.stack([found.get(row.pair.pair_id, absent) for row in rows]))
        whole.replace(kept)
    return np.asarray(np.load(kept))


def _encoded(tokenizer: PreTrainedTokenizerBase, rows: list[Row]) -> Iterator[EncodedPair]:
    for row in rows:
        with suppress(TooLongError):
            yield encode_pair(tokenizer, row.pair, MAX_LENGTH)


def _difference(pair: EncodedStates) -> np.ndarray:
    states = pair.states()
    assert states is not None
    ends = np.cumsum([len(part) for part in (pair.pair.prompt, pair.pair.response_a, pair.pair.response_b)])
    a, b = (states[start:end].float().numpy() for start, end in pairwise(ends))
    return np.concatenate([a.mean(axis=0) - b.mean(axis=0), a[-1] - b[-1]])
