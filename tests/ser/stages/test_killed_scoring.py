"""Stages that only score or answer: a killed one goes on where it was, to the same bytes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ser import appending
from ser.data import encoded, tables
from ser.data.batches import batch_numbers
from ser.data.encoded import write_encoded
from ser.models import scoring
from ser.models.states import write_states
from ser.progress import Progress, silent
from ser.specs import Arithmetic
from ser.stages.heldout import HeldoutSpec
from ser.stages.label import LabelSpec
from tests.models import encoded_pairs, labelled_pairs, random_model, run_stage

Stage = Callable[[Path, Progress], dict[str, Any]]


class KilledError(Exception):
    """Stands for a process that dies."""


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("scoring")
    model = random_model(tiny_backbone)
    model.save(folder / "rm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "batch_numbers", lambda lengths: batch_numbers(lengths, tokens=256))
        for name, seed in (("pool", 0), ("test", 1), ("calibration", 2)):
            (folder / name).mkdir()
            pairs = encoded_pairs(tiny_backbone, 60, seed=seed)
            write_encoded(pairs, folder / name)
            write_states(model, folder / name, silent)
            rows = [{**pair.__dict__, "preferred": letter} for pair, letter in labelled_pairs(60, seed)]
            tables.write(folder / f"{name}.parquet", tables.LABELLED, rows)
    tables.write(folder / "none.parquet", tables.LABELS, [])
    tables.write(folder / "kept.parquet", tables.LABELS, rows_of(folder / "pool.parquet", 7))
    (folder / "summary.json").write_text('{"temperature": 1.5}')
    return {
        "backbone": tiny_backbone, "reward_model": folder / "rm", "heldout": folder / "summary.json",
        "states": folder / "pool", "kept": [folder / "kept.parquet"], "test": folder / "test.parquet",
        "calibration": folder / "calibration.parquet", "judge": folder / "none.parquet",
        "test_states": folder / "test", "calibration_states": folder / "calibration",
    }  # fmt: skip


def rows_of(path: Path, n: int) -> list[dict[str, Any]]:
    return [{"pair_id": row["pair_id"], "preferred": "a"} for row in list(tables.read(path))[:n]]


@pytest.fixture(params=["label", "heldout"])
def stage(request: pytest.FixtureRequest, inputs: Mapping[str, Any]) -> Stage:
    if request.param == "label":
        return lambda out, progress: run_stage("label", LabelSpec(arithmetic=Arithmetic()), inputs, out, progress)
    return lambda out, progress: run_stage("heldout", HeldoutSpec(arithmetic=Arithmetic()), inputs, out, progress)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_killed_stage_repeats_at_most_a_batch(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(appending, "SYNC_SECONDS", 0.0)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    everything: list[int] = []
    wanted = stage(whole, lambda done, *_: everything.append(done))
    before: list[int] = []

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        before.append(done)
        if done > share * total:
            raise KilledError

    with pytest.raises(KilledError):
        stage(broken, kill)
    after: list[int] = []
    scored: list[int] = []
    true_rewards = scoring._rewards
    monkeypatch.setattr(
        scoring, "_rewards", lambda model, items: scored.append(len(items)) or true_rewards(model, items)
    )
    assert json.dumps(stage(broken, lambda done, *_: after.append(done))) == json.dumps(wanted)
    assert before + after == everything
    assert len(scored) == len(after) < len(everything)
    files = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == files


def test_dying_after_any_table_costs_no_scoring(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right after it wrote the n-th table, for every n."""
    monkeypatch.setattr(appending, "SYNC_SECONDS", 1e9)
    monkeypatch.setattr(appending, "SYNC_SHARE", 2.0)
    (tmp_path / "whole").mkdir()
    wanted = stage(tmp_path / "whole", silent)
    original = tables.write
    for number in range(1, 20):
        out, calls = tmp_path / f"broken {number}", 0
        out.mkdir()

        def die(*args: Any, last: int = number) -> int:
            nonlocal calls
            result = original(*args)
            calls += 1
            if calls == last:
                raise KilledError
            return result

        with monkeypatch.context() as patch:
            patch.setattr(tables, "write", die)
            try:
                assert stage(out, silent) == wanted
                assert number > 1  # it was killed at least once
                return
            except KilledError:
                assert calls == number
        scored: list[int] = []
        true_rewards = scoring._rewards
        with monkeypatch.context() as patch:
            patch.setattr(scoring, "_rewards", lambda *args, s=scored, r=true_rewards: s.append(1) or r(*args))
            assert stage(out, silent) == wanted
        assert not scored
    raise AssertionError("it never came to its end")
