"""Self-labels are the rewards of the pool, whatever happens while they are made."""

import json
from pathlib import Path
from typing import Any

import pytest

from resources.disk import clear
from ser import slices
from ser.data import tables
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.models.states.writing import write_states
from ser.progress import silent
from ser.specs import Arithmetic
from ser.stages.label import REWARDS, REWARDS_NAME, LabelSpec
from tests.models import encoded_pairs, random_model, run_stage


@pytest.fixture
def inputs(tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A pool of 60 pairs in small batches, of which an earlier loop kept ten."""
    monkeypatch.setattr(slices, "SLICE_TOKENS", 256)
    model, pairs = random_model(tiny_backbone), encoded_pairs(tiny_backbone, 60)
    states = tmp_path / "states"
    states.mkdir()
    write_encoded(pairs, states)
    encoded = states / ENCODED_NAME
    write_states(model, encoded, states, Arithmetic())
    model.save(tmp_path / "rm")
    (tmp_path / "heldout.json").write_text(json.dumps({"temperature": 2.0}))
    kept = [{"pair_id": pair.pair_id, "preferred": "a"} for pair in pairs[:10]]
    tables.write(tmp_path / "kept.parquet", tables.LABELS, kept)
    return {
        "backbone": tiny_backbone, "reward_model": tmp_path / "rm", "heldout": tmp_path / "heldout.json",
        "encoded": encoded, "states": states, "kept": [tmp_path / "kept.parquet"],
    }  # fmt: skip


def labels(inputs: dict[str, Any], out: Path, progress=silent) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    return run_stage("label", LabelSpec(arithmetic=Arithmetic()), inputs, out, progress)


def test_the_labels_are_those_of_the_model(inputs: dict[str, Any], tiny_backbone: Path, tmp_path: Path) -> None:
    summary = labels(inputs, tmp_path / "out")
    rows = list(tables.read(tmp_path / "out" / "self_labels.parquet"))
    pool = encoded_pairs(tiny_backbone, 60)[10:]
    assert [row["pair_id"] for row in rows] == sorted(pair.pair_id for pair in pool)
    direct = dict(zip((pair.pair_id for pair in pool), random_model(tiny_backbone).score(pool).tolist(), strict=True))
    offset = sum(map(sum, direct.values())) / 100
    assert summary == {"n_pool": 50, "reward_offset": pytest.approx(offset, abs=1e-4), "temperature": 2.0}
    for row in rows:
        assert [row["reward_a"], row["reward_b"]] == pytest.approx(direct[row["pair_id"]], abs=1e-4)
        assert row["preferred"] == ("a" if row["reward_a"] >= row["reward_b"] else "b")
        assert (row["p_a"] > 0.5) == (row["reward_a"] > summary["reward_offset"])
    clear(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rewards.parquet", "self_labels.parquet"]


def test_what_the_model_has_said_of_a_pair_is_not_computed_again(inputs: dict[str, Any], tmp_path: Path) -> None:
    labels(inputs, tmp_path / "first")
    rows = list(tables.read(tmp_path / "first" / REWARDS_NAME))
    said = [row | {"rewards": [7.0, -7.0]} for row in rows[:20]]
    other_tokens = [row | {"rewards": [7.0, -7.0], "digest": "0" * 16} for row in rows[20:25]]
    tables.write(tmp_path / "earlier.parquet", REWARDS, [*said, *other_tokens])
    told: list[tuple[int, int]] = []
    again = inputs | {"earlier": [tmp_path / "earlier.parquet", tmp_path / "first" / REWARDS_NAME]}
    labels(again, tmp_path / "all", lambda done, total, *_: told.append((done, total)))
    assert not any(total for _, total in told)
    labels(inputs | {"earlier": [tmp_path / "earlier.parquet"]}, tmp_path / "some",
           lambda done, total, *_: told.append((done, total)))  # fmt: skip
    assert told[-1] == (30, 30)
    for name, expected in (("all", 50), ("some", 50)):
        found = {row["pair_id"]: row for row in tables.read(tmp_path / name / "self_labels.parquet")}
        assert len(found) == expected
        assert all(
            (found[row["pair_id"]]["reward_a"], found[row["pair_id"]]["reward_b"]) == (7.0, -7.0) for row in said
        )
        for row in rows[20:]:
            assert found[row["pair_id"]]["reward_a"] == pytest.approx(row["rewards"][0], abs=1e-5)
