"""The judge is measured, and judges, only on prompts that it has not trained on."""

from pathlib import Path
from typing import Any

import pytest

from ser import training
from ser.data import tables
from ser.errors import SerError
from ser.method.comparison import judge_fold
from ser.specs import Arithmetic, Lora, Training
from ser.stages.train_judge import TrainJudgeSpec
from tests.models import labelled_pairs, pass_trunk, run_stage

LORA = Lora(r=4, alpha=8, top=0.5)
SPEC = TrainJudgeSpec(
    training=Training(lora=LORA, learning_rate=5e-3, batch_size=8),
    arithmetic=Arithmetic(),
    epochs=4,
    random_seed=1,
)


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("judge")
    rows = [
        {
            "pair_id": pair.pair_id, "prompt": pair.prompt, "response_a": pair.response_a,
            "response_b": pair.response_b, "preferred": preferred, "unit": pair.prompt,
        }
        for pair, preferred in labelled_pairs(120)
    ]  # fmt: skip
    tables.write(folder / "test.parquet", tables.LABELLED, rows)
    tables.write(folder / "none.parquet", tables.LABELS, [])
    opposite = {"a": "b", "b": "a"}
    judged = ({"pair_id": row["pair_id"], "preferred": opposite[row["preferred"]]} for row in rows[:100])
    tables.write(folder / "opposite.parquet", tables.LABELS, judged)
    states = folder / "states"
    states.mkdir()
    encoded = pass_trunk(folder / "test.parquet", tiny_backbone, states, Arithmetic(), LORA.top)
    return {
        "backbone": tiny_backbone, "pairs": [folder / "test.parquet"], "encoded": [encoded], "states": [states],
        "folder": folder,
    }  # fmt: skip


def run(inputs: dict[str, Any], labels: str, out: Path) -> dict[str, Any]:
    return run_stage("train_judge", SPEC, {**inputs, "judge_labels": inputs["folder"] / f"{labels}.parquet"}, out)


def test_human_labels_serve_where_there_are_no_judge_labels(inputs: dict[str, Any], tmp_path: Path) -> None:
    summary = run(inputs, "none", tmp_path)
    assert (summary["labels"], summary["n"]) == ("human", 120)
    assert summary["accuracy"]["value"] > 0.9
    assert len(summary["offsets"]) == 2


def test_judge_labels_replace_human_ones(inputs: dict[str, Any], tmp_path: Path) -> None:
    summary = run(inputs, "opposite", tmp_path)
    assert (summary["labels"], summary["n"]) == ("judge", 100)
    # The judge labels are the opposite of the human ones, and the judge learned them.
    assert summary["accuracy"]["value"] > 0.9


def test_a_few_judge_labels_are_not_enough(inputs: dict[str, Any], tmp_path: Path) -> None:
    few = list(tables.read(inputs["folder"] / "opposite.parquet"))[:15]
    elsewhere = [{"pair_id": f"pool-{n}", "preferred": "a"} for n in range(50)]
    tables.write(inputs["folder"] / "few.parquet", tables.LABELS, few + elsewhere)
    summary = run(inputs, "few", tmp_path)
    assert (summary["labels"], summary["n"]) == ("human", 120)


def test_pairs_of_one_unit_make_no_judge(inputs: dict[str, Any], tmp_path: Path) -> None:
    rows = [row | {"unit": "one"} for row in tables.read(inputs["pairs"][0])]
    tables.write(tmp_path / "test.parquet", tables.LABELLED, rows)
    with pytest.raises(SerError, match="tied to each other: no judge can be trained"):
        run(inputs | {"pairs": [tmp_path / "test.parquet"]}, "none", tmp_path)


def test_no_fold_trains_on_a_unit_that_it_judges(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row | {"unit": f"unit {n % 10}"} for n, row in enumerate(tables.read(inputs["pairs"][0]))]
    tables.write(tmp_path / "test.parquet", tables.LABELLED, rows)
    unit = {row["pair_id"]: row["unit"] for row in rows}
    taught: list[set[str]] = []
    real = training.train

    def spy(model: Any, examples: Any, *rest: Any, **more: Any) -> Any:
        taught.append({unit[example.encoded.pair.pair_id] for example in examples})
        return real(model, examples, *rest, **more)

    monkeypatch.setattr(training, "train", spy)
    run(inputs | {"pairs": [tmp_path / "test.parquet"]}, "none", tmp_path)
    assert len(taught) == 2 and not taught[0] & taught[1] and len(taught[0] | taught[1]) == 10


def test_no_fold_trains_on_the_prompts_it_judges(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}
    real = training.train

    def spy(model: Any, examples: Any, *rest: Any, out: Path, **more: Any) -> Any:
        seen[out.name] = {example.encoded.pair.pair_id for example in examples}
        return real(model, examples, *rest, out=out, **more)

    monkeypatch.setattr(training, "train", spy)
    run(inputs, "none", tmp_path)
    folds: dict[int, set[str]] = {0: set(), 1: set()}
    for pair, _ in labelled_pairs(120):
        folds[judge_fold(pair.prompt)].add(pair.pair_id)
    assert seen == {"fold_0": folds[1], "fold_1": folds[0]}
    assert min(len(fold) for fold in folds.values()) > 30
