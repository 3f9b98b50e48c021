"""Trunk states on disk are what the trunk gives, in a plan that nothing disturbs."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ser.data.batches import batch_numbers, plan
from ser.data.encoded import write_encoded
from ser.data.encoding import EncodedPair
from ser.data.packing import pack
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states import PairStates, collate, write_states
from ser.progress import Progress, silent
from ser.specs import Arithmetic
from tests.models import encoded_pairs, random_model


def write(model: RewardModel, pairs: list[EncodedPair], out: Path, progress: Progress = silent) -> None:
    write_encoded(pairs, out)
    write_states(model, out, progress)


@given(st.lists(st.tuples(st.integers(1, 300), st.uuids().map(str)), min_size=1, max_size=60, unique_by=lambda x: x[1]))
def test_a_plan_holds_every_pair_once_within_its_budget(lengths: list[tuple[int, str]]) -> None:
    batches = plan(lengths, tokens=256)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i][0] for i in batch) <= 256
    shuffled = sorted(lengths, key=lambda pair: pair[1])
    again = plan(shuffled, tokens=256)
    assert [[shuffled[i] for i in batch] for batch in again] == [[lengths[i] for i in batch] for batch in batches]


def test_states_are_those_of_the_trunk(tiny_backbone: Path, tmp_path: Path) -> None:
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 90)
    write(model, pairs, tmp_path)
    states = PairStates(tmp_path)
    assert len(states) == 90
    with torch.inference_mode():
        for batch in states.batches():
            packed, hidden = collate(batch)
            alone = model.trunk_states(pack([item.pair for item in batch]))
            for row, item in enumerate(batch):
                assert torch.equal(hidden[row, : len(item.pair)], alone[row, : len(item.pair)])
            assert torch.equal(packed.input_ids, pack([item.pair for item in batch]).input_ids)


def test_scores_over_states_are_those_without(tiny_backbone: Path, tmp_path: Path) -> None:
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 30)
    write(model, pairs, tmp_path)
    seen: list[tuple[int, int]] = []
    scored = {
        one.pair_id: one
        for one in score(model, PairStates(tmp_path), 30, lambda done, total, *_: seen.append((done, total)))
    }
    assert seen[-1] == (30, 30)
    for pair, (a, b) in zip(pairs, model.score(pairs).tolist(), strict=True):
        assert scored[pair.pair_id].reward_a == pytest.approx(a, abs=1e-5)
        assert scored[pair.pair_id].reward_b == pytest.approx(b, abs=1e-5)
    wanted = {pairs[0].pair_id, pairs[7].pair_id}
    assert {one.pair_id for one in score(model, PairStates(tmp_path), 2, silent, wanted.__contains__)} == wanted


def test_without_a_trunk_tokens_serve(tiny_backbone: Path, tmp_path: Path) -> None:
    model, pairs = random_model(tiny_backbone, top=1.0), encoded_pairs(tiny_backbone, 10)
    write(model, pairs, tmp_path)
    assert not (tmp_path / "states.bin").exists()
    scored = {one.pair_id: one.reward_a for one in score(model, PairStates(tmp_path), 10, silent)}
    for pair, (a, _) in zip(pairs, model.score(pairs).tolist(), strict=True):
        assert scored[pair.pair_id] == pytest.approx(a, abs=1e-5)


def test_bfloat16_states_come_back_as_they_were(tiny_backbone: Path, tmp_path: Path) -> None:
    from ser.models.reward_model import RewardModel
    from ser.specs import Lora

    model = RewardModel.new(tiny_backbone, Lora(top=0.5), Arithmetic(dtype="bfloat16"), random_seed=0).eval()
    pairs = encoded_pairs(tiny_backbone, 3)
    write(model, pairs, tmp_path)
    batch = next(PairStates(tmp_path).batches())
    _, hidden = collate(batch)
    assert hidden is not None
    assert hidden.dtype == torch.bfloat16
    alone = model.trunk_states(pack([item.pair for item in batch]))
    assert torch.equal(hidden[0, : len(batch[0].pair)], alone[0, : len(batch[0].pair)])


def test_a_killed_pass_continues_to_the_same_bytes(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ser import appending
    from ser.data import encoded

    class KilledError(Exception):
        pass

    monkeypatch.setattr(appending, "SYNC_SECONDS", 0.0)
    monkeypatch.setattr(encoded, "batch_numbers", lambda lengths: batch_numbers(lengths, tokens=256))
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 60)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    write(model, pairs, whole)

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done > 25:
            raise KilledError

    with pytest.raises(KilledError):
        write(model, pairs, broken, kill)
    first: list[int] = []
    write(model, pairs, broken, lambda done, *_: first.append(done))
    assert first[0] > 15
    for name in ("states.bin", "encoded.parquet", "shape.json"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()
    assert sorted(path.name for path in whole.iterdir()) == sorted(path.name for path in broken.iterdir())
