"""A GPU is given large batches, however the pairs are cut into slices."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ser.data.batches import batch_numbers
from ser.data.encoded import ENCODED_NAME, count_slices, write_encoded
from ser.data.encoding import EncodedPair
from ser.models import scoring
from ser.models.states.pairs import PairStates
from ser.models.token_budget import TokenBudget
from ser.progress import silent
from ser.slices import Slices


def test_few_batches_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = random.Random(0)
    sizes: list[int] = []

    def record(model: Any, items: list[Any], budget: TokenBudget) -> torch.Tensor:
        lengths = [len(item.pair) for item in items]
        numbers = list(batch_numbers(lengths, budget.tokens))
        held = [0] * (numbers[-1] + 1)
        for length, number in zip(lengths, numbers, strict=True):
            held[number] += length
        sizes.extend(held)
        return torch.zeros(len(items), 2)

    monkeypatch.setattr(scoring, "_rewards", record)
    prompts = [round(stream.lognormvariate(4.9, 0.7)) for _ in range(2000)]
    pairs = [EncodedPair(f"{i:05}", [1] * prompt, [1] * 40, [1] * 40) for i, prompt in enumerate(prompts)]
    write_encoded(pairs, tmp_path)
    encoded: Path = tmp_path / ENCODED_NAME
    slices = Slices(tmp_path / "scores", count_slices(encoded))
    model: Any = SimpleNamespace(device=torch.device("cuda"))
    scoring.score_slices(model, PairStates(encoded), slices, silent, total=len(pairs), batch_tokens=16_384)
    assert slices.missing() == []
    assert sum(sizes) == sum(map(len, pairs))
    assert len(sizes) < 1.3 * sum(sizes) / 16_384
    assert sum(size < 4096 for size in sizes) <= 0.1 * len(sizes)


def test_where_all_is_known_slices_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ser.slices.SLICE_TOKENS", 64)
    monkeypatch.setattr("ser.slices._SHARES", 10**6)
    pairs = [EncodedPair(f"{i:05}", [1] * 40, [1] * 20, [1] * 20) for i in range(300)]
    write_encoded(pairs, tmp_path)
    encoded, asked = tmp_path / ENCODED_NAME, 0

    def count(model: Any, items: list[Any], budget: TokenBudget) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return torch.zeros(len(items), 2)

    monkeypatch.setattr(scoring, "_rewards", count)
    slices = Slices(tmp_path / "scores", count_slices(encoded))
    assert slices.count == 300
    known = ({item.pair.pair_id: (1.0, 2.0) for item in items} for _, items in PairStates(encoded).slices())
    model: Any = SimpleNamespace(device=torch.device("cuda"))
    scoring.score_slices(model, PairStates(encoded), slices, silent, total=0, known=known, batch_tokens=16_384)
    assert slices.missing() == [] and asked == 5
