"""An ensemble is scored with one member after the other, and none stays in memory for the next."""

import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from ser.data import tables
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.method.selection import fold_of
from ser.models.reward_model import RewardModel
from ser.ppo.judging import rewards
from ser.progress import Progress, silent
from ser.specs import Arithmetic, Scale
from ser.stages.heldout import HeldoutSpec
from ser.stages.label import REWARDS_NAME, LabelSpec
from tests.models import encoded_pairs, labelled_pairs, random_model, run_stage

SCALES = [Scale(offset=0.0, temperature=1.0)] * 2


@pytest.fixture
def inputs(tiny_backbone: Path, tmp_path: Path) -> dict[str, Any]:
    """Two members, and 20 pairs for every role."""
    for seed in range(2):
        random_model(tiny_backbone, seed=seed).save(tmp_path / "rm" / f"member_{seed}")
    write_encoded(encoded_pairs(tiny_backbone, 20), tmp_path)
    rows = [{**pair.__dict__, "preferred": letter, "unit": pair.prompt} for pair, letter in labelled_pairs(20)]
    tables.write(tmp_path / "pairs.parquet", tables.LABELLED, sorted(rows, key=lambda row: row["pair_id"]))
    tables.write(tmp_path / "none.parquet", tables.LABELS, [])
    scales = [scale.model_dump() for scale in SCALES]
    (tmp_path / "temperature.json").write_text(json.dumps({"temperature": 1.0, "members": scales}))
    encoded, pairs = tmp_path / ENCODED_NAME, tmp_path / "pairs.parquet"
    return {
        "backbone": tiny_backbone, "reward_model": tmp_path / "rm", "heldout": tmp_path / "temperature.json",
        "encoded": encoded, "calibration_encoded": encoded, "test_encoded": encoded, "kept": [],
        "calibration": pairs, "test": pairs, "judge": tmp_path / "none.parquet",
    }  # fmt: skip


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many models there are each time that another one is loaded."""
    load, models, counts = RewardModel.load, [], []  # type: ignore[var-annotated]

    def watched(*args: Any, **kwargs: Any) -> RewardModel:
        counts.append(sum(model() is not None for model in models))
        model = load(*args, **kwargs)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(RewardModel, "load", watched)
    return counts


@pytest.mark.parametrize("stage", ["label", "heldout"])
def test_one_member_is_in_memory(stage: str, inputs: dict[str, Any], alive: list[int], tmp_path: Path) -> None:
    spec = {"label": LabelSpec, "heldout": HeldoutSpec}[stage](arithmetic=Arithmetic())
    (tmp_path / "out").mkdir()
    run_stage(stage, spec, inputs, tmp_path / "out", silent)
    assert alive == [0, 0]


def test_by_folds_each_pair_is_scored_by_one_member(inputs: dict[str, Any], tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    outs = [tmp_path / "by_all", tmp_path / "by_one"]
    for out, by_folds in zip(outs, ({}, {"units": tmp_path / "pairs.parquet"}), strict=True):
        out.mkdir()
        run_stage("label", LabelSpec(arithmetic=Arithmetic()), inputs | by_folds, out, lambda *said: told.append(said))
    by_all, by_one = ({row["pair_id"]: row["rewards"] for row in tables.read(out / REWARDS_NAME)} for out in outs)
    folds = {row["pair_id"]: fold_of(row["unit"], 2) for row in tables.read(tmp_path / "pairs.parquet")}
    assert set(folds.values()) == {0, 1}
    for pair_id, fold in folds.items():
        assert by_one[pair_id] == pytest.approx(by_all[pair_id][2 * fold : 2 * fold + 2], abs=1e-5)
    counts = [list(folds.values()).count(fold) for fold in (0, 1)]
    assert [(done, total) for done, total, *_ in told] == [(20, 20)] * 2 + [(count, count) for count in counts]
    labels = {row["pair_id"]: row["reward_a"] for row in tables.read(outs[1] / "self_labels.parquet")}
    assert labels == pytest.approx({pair_id: by_one[pair_id][0] for pair_id in folds}, abs=1e-6)


def test_one_member_judges_at_a_time(inputs: dict[str, Any], alive: list[int]) -> None:
    pairs = encoded_pairs(inputs["backbone"], 4)
    assert len(rewards(inputs["backbone"], inputs["reward_model"], Arithmetic(), pairs, 768, SCALES)) == 4
    assert alive == [0, 0]


@pytest.mark.parametrize("stage", ["label", "heldout"])
def test_a_stage_that_goes_on_says_how_far_it_was(stage: str, inputs: dict[str, Any], tmp_path: Path) -> None:
    spec = {"label": LabelSpec, "heldout": HeldoutSpec}[stage](arithmetic=Arithmetic())
    out, everything, rest = tmp_path / "out", [], []  # type: ignore[var-annotated]
    out.mkdir()

    def tell(told: list[Any]) -> Progress:
        return lambda done, total, unit, note="", part="": told.append((done, total, part))

    run_stage(stage, spec, inputs, out, tell(everything))
    folder = out / {"label": ".scores_1.tmp", "heldout": ".test_1.tmp"}[stage]
    (folder / "00000").unlink()
    run_stage(stage, spec, inputs, out, tell(rest))
    pairs = {"label": 20, "heldout": 40}[stage]
    assert rest == everything[-1:] == [(pairs, pairs, "member 2 of 2")]
