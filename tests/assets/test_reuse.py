"""What a stage does not read makes it no work."""

from pathlib import Path
from typing import Any

import pytest

from resources import evolution
from resources.evolution import Evolution
from resources.launchers import in_process
from ser.data import tables
from ser.progress import Progress
from ser.stages.job import Job
from tests import chain
from tests.pairs import labelled_rows, unlabelled, write_jsonl

pytestmark = pytest.mark.slow


def test_test_pairs_and_judge_labels_that_land_later_make_no_loop_again(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    rows = labelled_rows(300)
    first = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    _, before = chain.materialize(data_root, first, policy=False)
    more = [row | {"role": "test"} for row in labelled_rows(20, seed=5)]
    judged = [
        {"prompt": row["prompt"], "response_a": row["chosen"], "response_b": row["rejected"], "preferred": "a",
         "annotator": "judge"}
        for row in rows
    ]  # fmt: skip
    second = chain.land(data_root, write_jsonl(tmp_path / "more.jsonl", [*more, *judged]))
    result, after = chain.materialize(data_root, second, policy=False)
    assert result.success
    old, new = (chain.summary(work, "seed_rm.heldout")["metrics"]["test"] for work in (before, after))
    assert new["accuracy"]["n"] == old["accuracy"]["n"] + 20
    assert "judge_label_accuracy" in new.keys() - old.keys()
    loop = [f"loop_1/{name}" for name in ("self_labels", "status_report", "filtered_pairs", "retrained_rm")]
    assert [after.heads.get(key).version for key in loop] == [before.heads.get(key).version for key in loop]


def test_forty_new_pairs_cost_forty(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    rows = labelled_rows(300)
    first = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    _, before = chain.materialize(data_root, first)
    passed: dict[str, int] = {}

    def launch(job: Job, progress: Progress) -> dict[str, Any]:
        def tell(done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
            passed[job.stage] = total

        passed[job.stage] = 0
        return in_process(job, tell)

    monkeypatch.setattr(evolution, "in_process", launch)
    second = chain.land(data_root, write_jsonl(tmp_path / "more.jsonl", unlabelled(labelled_rows(10, seed=7))))
    result, after = chain.materialize(data_root, second)
    assert result.success
    new = chain.summary(after, "splits")["pool"] - chain.summary(before, "splits")["pool"]
    assert 0 < new <= 10
    assert (passed["trunk"], passed["label"]) == (new, new)
    assert not {"train_judge"} & passed.keys()
    reused = ["seed_rm", "seed_rm.heldout", "controls/judge_rm", "policy_evaluation.base_responses"]
    assert [after.heads.get(key).version for key in reused] == [before.heads.get(key).version for key in reused]
    old, now = (
        {row["pair_id"]: row for row in tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet")}
        for work in (before, after)
    )
    assert all(now[pair_id]["reward_a"] == row["reward_a"] for pair_id, row in old.items())
    assert len(now) == len(old) + new


def test_settings_that_a_stage_does_not_read_leave_its_version(data_root: Path, tmp_path: Path) -> None:
    def settings(student_epochs: int, r: int) -> None:
        lora = chain.SETTINGS.replace("[reward_model]", f"[method]\nstudent_epochs = {student_epochs}\n[reward_model]")
        lora = lora.replace("[reward_model.lora]\nr = 4", f"[reward_model.lora]\nr = {r}")
        (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + lora)

    settings(student_epochs=1, r=4)
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    _, first = chain.materialize(data_root, snapshot, policy=False)
    settings(student_epochs=2, r=4)
    _, second = chain.materialize(data_root, snapshot, policy=False)
    settings(student_epochs=2, r=2)
    _, third = chain.materialize(data_root, snapshot, policy=False)

    def remade(before: Evolution, after: Evolution) -> set[str]:
        keys = ["encoded_pairs", "seed_rm", "seed_rm.heldout", "loop_1/self_labels", "loop_1/retrained_rm"]
        assert before.states("pool") == after.states("pool")
        return {key for key in keys if before.heads.get(key).version != after.heads.get(key).version}

    assert remade(first, second) == {"loop_1/retrained_rm"}
    assert remade(second, third) == {"seed_rm", "seed_rm.heldout", "loop_1/self_labels", "loop_1/retrained_rm"}
