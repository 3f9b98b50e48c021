"""States in memory are computed once, give the same rewards and gradients, and know their limit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.losses import pairwise_loss
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states.kept import forget_states, keep_states, kept_states, promised_bytes
from ser.models.states.pairs import PairStates, collate, open_states
from ser.specs import Arithmetic, Execution, Lora
from ser.stages.job import Job
from ser.stages.trunk import TrunkSpec
from tests.models import encoded_pairs, random_model


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    forget_states()


@pytest.fixture
def encoded(tiny_backbone: Path, tmp_path: Path) -> Path:
    (tmp_path / "tokens").mkdir()
    write_encoded(encoded_pairs(tiny_backbone, 24), tmp_path / "tokens")
    return tmp_path / "tokens" / ENCODED_NAME


def counted(model: RewardModel) -> list[int]:
    """How many tokens pass the trunk each time."""
    passed: list[int] = []
    real = model.trunk_states
    model.trunk_states = lambda batch: passed.append(sum(batch.sizes)) or real(batch)  # type: ignore
    return passed


@pytest.mark.parametrize("attention", ["grouped", "varlen"])
@pytest.mark.parametrize("memory", ["gpu", "host"])
def test_every_pair_passes_the_trunk_once(
    tiny_backbone: Path, encoded: Path, tmp_path: Path, attention, memory
) -> None:
    arithmetic, folder = Arithmetic(attention=attention), tmp_path / "states"
    model = RewardModel.new(tiny_backbone, Lora(r=4, top=0.5), arithmetic, random_seed=0).eval()
    wanted = list(score(model, PairStates(encoded)))
    keep_states(folder, memory, 10**9)
    states = PairStates(encoded, open_states(folder, encoded, model.trunk, arithmetic))
    passed, tokens = counted(model), sum(len(item.pair) for item in states.pairs())
    for _ in range(2):
        found = list(score(model, states))
        for one, other in zip(found, wanted, strict=True):
            assert (one.reward_a, one.reward_b) == pytest.approx((other.reward_a, other.reward_b), abs=1e-5)
    assert sum(passed) == tokens
    kept = kept_states(folder)
    assert kept is not None and kept.used == tokens * 32 * 4 and promised_bytes(memory) == 10**9 - kept.used
    # What was kept while scoring is trained on.
    items = list(states.pairs())[:4]
    rewards = model.train()(*collate(items, model))
    pairwise_loss(rewards, torch.ones(4), torch.ones(4), 4.0, 0.0).backward()
    assert any(one.grad is not None and one.grad.abs().max() > 0 for one in model.parameters())


def test_what_has_no_room_is_computed_each_time(tiny_backbone: Path, encoded: Path, tmp_path: Path) -> None:
    model, folder = random_model(tiny_backbone), tmp_path / "states"
    keep_states(folder, "host", 300 * 32 * 4)
    states = PairStates(encoded, open_states(folder, encoded, model.trunk, Arithmetic()))
    first, second = (list(score(model, states)) for _ in range(2))
    kept = kept_states(folder)
    assert kept is not None and 200 * 32 * 4 < kept.used <= 300 * 32 * 4
    for one, other in zip(first, second, strict=True):
        assert (one.reward_a, one.reward_b) == pytest.approx((other.reward_a, other.reward_b), abs=1e-5)


def test_beside_known_pairs_only_the_new_ones_pass_and_hold_no_more_than_they_count(
    tiny_backbone: Path, encoded: Path, tmp_path: Path
) -> None:
    model, folder = random_model(tiny_backbone), tmp_path / "states"
    keep_states(folder, "gpu", 10**9)
    states = PairStates(encoded, open_states(folder, encoded, model.trunk, Arithmetic()))
    wanted = {one.pair_id: one.reward_a for one in score(model, PairStates(encoded))}
    some = set(sorted(wanted)[::3])
    list(score(model, states, lambda pair_id: pair_id in some))
    passed = counted(model)
    for one in score(model, states):
        assert one.reward_a == pytest.approx(wanted[one.pair_id], abs=1e-5)
    assert sum(passed) == sum(len(item.pair) for item in states.pairs() if item.pair.pair_id not in some)
    kept = kept_states(folder)
    assert kept is not None and kept.used == sum(one.untyped_storage().nbytes() for one in kept._states.values())


@pytest.mark.parametrize(("cache", "files"), [("auto", True), ("disk", True), ("host", False), ("none", False)])
def test_the_trunk_stage_does_as_the_settings_say(
    tiny_backbone: Path, encoded: Path, tmp_path: Path, cache, files: bool
) -> None:
    folder = tmp_path / "states"
    inputs = {"encoded": encoded, "backbone": tiny_backbone, "passes": 3.0}
    job = Job.of(
        "trunk", TrunkSpec(arithmetic=Arithmetic(), top=0.5), inputs, folder, Execution(threads=1, cache=cache)
    )
    summary = job.run(lambda *_: None)
    place = "disk" if cache == "auto" else cache
    assert (summary["pairs"], summary["place"]) == (24, place)
    assert folder.exists() == files and (kept_states(folder) is not None) == (cache == "host")
    if cache == "host":
        assert promised_bytes("host") == sum(len(item.pair) for item in PairStates(encoded).pairs()) * 32 * 4
