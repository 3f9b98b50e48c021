"""Trunk states on disk are what the trunk gives, in a plan that nothing disturbs."""

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data.batches import plan
from ser.data.encoded import ENCODED_NAME, count_slices, read_slices, write_encoded
from ser.data.encoding import EncodedPair
from ser.data.packing import pack
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states.disk import INDEX, StatesCache
from ser.models.states.pairs import PairStates, collate
from ser.models.states.writing import write_states
from ser.progress import Progress, silent
from ser.slices import slice_tokens
from ser.specs import Arithmetic, Lora
from tests.models import encoded_pairs, random_model


def write(
    model: RewardModel, pairs: list[EncodedPair], out: Path, progress: Progress = silent, **how: int
) -> PairStates:
    """The pairs with their states."""
    encoded, arithmetic = out / ENCODED_NAME, Arithmetic(dtype=DTYPE[model.classifier.dtype])
    write_encoded(pairs, out)
    write_states(model, encoded, out, arithmetic, progress, **how)
    return PairStates(encoded, StatesCache.open(out, encoded, model.trunk, arithmetic))


DTYPE: dict[torch.dtype, Literal["float32", "bfloat16"]] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


@given(st.lists(st.tuples(st.integers(1, 300), st.uuids().map(str)), min_size=1, max_size=60, unique_by=lambda x: x[1]))
def test_a_plan_holds_every_pair_once_within_its_budget(lengths: list[tuple[int, str]]) -> None:
    batches = plan(lengths, tokens=256)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i][0] for i in batch) <= 256
    shuffled = sorted(lengths, key=lambda pair: pair[1])
    again = plan(shuffled, tokens=256)
    assert [[shuffled[i] for i in batch] for batch in again] == [[lengths[i] for i in batch] for batch in batches]


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9000), max_size=80), st.randoms())
def test_slices_depend_on_the_tokens_alone(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], random: Random
) -> None:
    pairs = [EncodedPair(f"{k:04}", [1], [1] * length, [1]) for k, length in enumerate(lengths)]
    tables_: list[bytes] = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("encoded")
        write_encoded(pairs, folder)
        tables_.append((folder / ENCODED_NAME).read_bytes())
        random.shuffle(pairs)
    assert tables_[0] == tables_[1]
    total, slices = sum(map(len, pairs)), list(read_slices(folder / ENCODED_NAME))
    assert count_slices(folder / ENCODED_NAME) == len(slices) == len(dict(slices))
    largest = max(map(len, pairs), default=0)
    for number, (named, rows) in enumerate(slices):
        assert number == named and rows[0]["offset"] == 0
        tokens = sum(len(row["prompt"] + row["response_a"] + row["response_b"]) for row in rows)
        assert tokens < slice_tokens(total) + largest
    assert [row["pair_id"] for _, rows in slices for row in rows] == [
        pair.pair_id for pair in sorted(pairs, key=lambda pair: (len(pair), pair.pair_id))
    ]


@pytest.mark.parametrize("top", [0.5, 1.0])
def test_scores_over_states_are_those_without_to_the_last_bit(tiny_backbone: Path, tmp_path: Path, top: float) -> None:
    model, pairs = random_model(tiny_backbone, top=top), encoded_pairs(tiny_backbone, 90)
    states = write(model, pairs, tmp_path)
    assert len(states) == 90 and (tmp_path / "00000").exists() == (top < 1)
    with_states = list(score(model, states))
    assert with_states == list(score(model, PairStates(tmp_path / ENCODED_NAME)))
    scored = {one.pair_id: one for one in with_states}
    for pair, (a, b) in zip(pairs, model.score(pairs).tolist(), strict=True):
        assert [scored[pair.pair_id].reward_a, scored[pair.pair_id].reward_b] == pytest.approx([a, b], abs=1e-5)
    wanted = {pairs[0].pair_id, pairs[7].pair_id}
    assert {one.pair_id for one in score(model, states, wanted.__contains__)} == wanted


def test_a_cache_of_anything_else_is_none(tiny_backbone: Path, tmp_path: Path) -> None:
    model = random_model(tiny_backbone)
    write(model, encoded_pairs(tiny_backbone, 20), tmp_path)
    encoded, other = tmp_path / ENCODED_NAME, tmp_path / "other"
    other.mkdir()
    write_encoded(encoded_pairs(tiny_backbone, 20, seed=1), other)
    assert StatesCache.open(tmp_path, encoded, 2, Arithmetic()) is not None
    assert StatesCache.open(tmp_path, encoded, 3, Arithmetic()) is None
    assert StatesCache.open(tmp_path, encoded, 2, Arithmetic(dtype="bfloat16")) is None
    assert StatesCache.open(tmp_path, other / ENCODED_NAME, 2, Arithmetic()) is None
    assert StatesCache.open(other, encoded, 2, Arithmetic()) is None


def test_states_of_a_pair_that_an_earlier_table_had_are_copied(tiny_backbone: Path, tmp_path: Path) -> None:
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 40)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    before = {item.pair.pair_id: item.states() for item in write(model, pairs[:30], first).pairs()}
    changed = replace(pairs[0], response_a=pairs[1].response_a)  # as under another max_length
    write_encoded([changed, *pairs[1:]], second)
    encoded = second / ENCODED_NAME
    told: list[tuple[int, int]] = []
    damaged, gone = tmp_path / "damaged", tmp_path / "gone"
    shutil.copytree(first, damaged)
    (damaged / INDEX).write_bytes(b"")
    write_states(
        model, encoded, second, Arithmetic(), lambda done, total, *_: told.append((done, total)),
        earlier=[damaged, gone, first],
    )  # fmt: skip
    assert told[-1] == (11, 11)
    states = PairStates(encoded, StatesCache.open(second, encoded, model.trunk, Arithmetic()))
    for item in states.pairs():
        found = item.states()
        assert found is not None
        if item.pair.pair_id in before and item.pair.pair_id != changed.pair_id:
            assert torch.equal(found, before[item.pair.pair_id])
        else:
            alone = model.trunk_states(pack([item.pair]))[0]
            assert torch.allclose(found, alone[: len(item.pair)], atol=1e-5)


def test_bfloat16_states_come_back_as_they_were(tiny_backbone: Path, tmp_path: Path) -> None:
    model = RewardModel.new(tiny_backbone, Lora(top=0.5), Arithmetic(dtype="bfloat16"), random_seed=0).eval()
    items = list(write(model, encoded_pairs(tiny_backbone, 3), tmp_path).pairs())
    _, hidden = collate(items, model)
    assert hidden is not None
    assert hidden.dtype == torch.bfloat16
    alone = model.trunk_states(pack([item.pair for item in items]))
    for row, item in enumerate(items):
        assert torch.equal(hidden[row, : len(item.pair)], alone[row, : len(item.pair)])


def test_a_killed_or_shared_pass_comes_to_the_same_bytes(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    monkeypatch.setattr("ser.slices.SLICE_TOKENS", 512)
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 60)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    write(model, pairs, whole)

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done > 25:
            raise KilledError

    with pytest.raises(KilledError):
        write(model, pairs, broken, kill, rank=1, world=3)
    write(model, pairs, broken, rank=0, world=2)
    first: list[int] = []
    write(model, pairs, broken, lambda done, *_: first.append(done))
    assert 0 < len(first) < count_slices(whole / ENCODED_NAME) / 2
    (broken / "00001").write_bytes((broken / "00001").read_bytes()[:-9])
    again: list[int] = []
    write(model, pairs, broken, lambda done, *_: again.append(done))
    assert len(again) == 1
    files = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == files and len(files) > 6
