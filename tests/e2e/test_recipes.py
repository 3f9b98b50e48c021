"""Whole evolutions under recipes that have every field at every value; `paper` is what all other tests run."""

from pathlib import Path
from typing import Any

import pytest

from resources.audit.database import query
from resources.evolution import Evolution
from resources.loop_rows import loop_rows
from resources.studies.measured_cost import costs_of
from ser.data import tables
from ser.method.selection import fold_of
from ser.models.reward_model import members_of
from ser_dagster.commands.export_facts import kept_labels
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


def evolve(
    root: Path, folder: Path, method: str, recipe: str = "paper", thresholds: str = "", policy: bool = False
) -> Evolution:
    """Two loops over 300 pairs under a method."""
    (folder / "ser.toml").write_text(
        f'recipe = "{recipe}"\nloops = 2\n[thresholds]\nn_min = 5\n{thresholds}\n[method]\n{method}\n{chain.SETTINGS}'
    )
    snapshot = chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(300)))
    result, evolution = chain.materialize(root, snapshot, policy=policy)
    assert result.success
    return evolution


def rows(evolution: Evolution, key: str, name: str) -> dict[str, dict[str, Any]]:
    return {row["pair_id"]: row for row in tables.read(evolution.heads.get(key).path / name)}


def folds(evolution: Evolution) -> dict[str, int]:
    units = rows(evolution, "splits", "units.parquet")
    return {pair_id: fold_of(row["unit"], 2) for pair_id, row in units.items()}


def adapters(evolution: Evolution, key: str) -> list[bytes]:
    members = members_of(evolution.heads.get(key).path / "rm")
    return [(member / "adapter_model.safetensors").read_bytes() for member in members]


def test_fresh_students_of_soft_labels_by_teachers_that_have_not_seen_them(data_root: Path, tmp_path: Path) -> None:
    work = evolve(
        data_root, tmp_path,
        'teachers = 2\nmin_precision = 0.55\ntarget = "soft"', recipe="robust",
        thresholds="tau_high = 0.999\ntau_low = 0.001\ntau_delta = 0.999",  # its learning status decides nothing
        policy=True,
    )  # fmt: skip
    labels = {k: rows(work, f"loop_{k}/self_labels", "self_labels.parquet") for k in (1, 2)}
    kept = {k: rows(work, f"loop_{k}/filtered_pairs", "kept.parquet") for k in (1, 2)}
    assert [row["n_kept"] for row in loop_rows(work)[1:]] == [len(kept[1]), len(kept[2])]
    assert {row["status"] for row in loop_rows(work)[1:]} == {"converged"}
    columns = "n_kept, promised, cut, expected_low >= promised"
    audited = query(data_root / "audit.duckdb", f"SELECT {columns} FROM status_reports ORDER BY loop")[1]
    cuts = {k: work.heads.get(f"loop_{k}/status_report").summary["rule"]["cut"] for k in kept}
    assert audited == [(len(kept[k]), 0.55, cuts[k], True) for k in (1, 2)]
    # The whole pool is labelled again; in loop 1 by both teachers, in loop 2 by the one that has not seen the pair.
    assert labels[1].keys() == labels[2].keys() == folds(work).keys()
    assert all(row["spread"] is not None for row in labels[1].values())
    assert all(row["spread"] is None for row in labels[2].values())
    for k in (1, 2):
        report = work.heads.get(f"loop_{k}/status_report").summary
        assert report["rule"]["condition"] == "calibrated" and report["precision"]["promised"] == 0.55
        for pair_id, row in kept[k].items():
            sure = labels[k][pair_id]["confidence"]
            assert sure > report["rule"]["cut"]
            assert row["target"] == pytest.approx(sure if row["preferred"] == "a" else 1 - sure)
    # Each member learnt from the latest labels outside its own fold, from the backbone on.
    for number in (0, 1):
        training = work.heads.get(f"loop_2/retrained_rm/member_{number}")
        outside = [pair_id for pair_id in kept[2] if folds(work)[pair_id] != number]
        assert training.summary["n_pseudo"] == len(outside) < len(kept[2])
        assert training.manifest["inputs"].get("start") is None
        assert training.manifest["spec"]["human_share"] == 0.3
    first, second = adapters(work, "loop_2/retrained_rm")
    assert first != second
    # Each loop labels every pair anew: an export has the latest label of a pair, once.
    assert sorted(row["pair_id"] for row in kept_labels(work).rows()) == sorted(kept[2])
    assert work.heads.get("loop_2/self_labels").summary["temperature"] == 1.0  # each member's own is in its scale
    seed = work.heads.get("seed_rm.heldout").summary
    assert work.heads.get("loop_1/self_labels").summary["temperature"] == seed["temperature"]
    assert len(seed["members"]) == 2
    assert work.heads.get("policy_evaluation").summary["n"] == 8
    costs = costs_of(work)[1]
    assert costs["loop_2/self_labels"].tokens == costs["states/pool"].tokens
    assert costs["loop_1/self_labels"].tokens == 2 * (costs["states/pool"].tokens or 0)
    trained = [costs[f"loop_2/retrained_rm/member_{number}"] for number in (0, 1)]
    assert all(one.tokens and one.flops for one in trained) and costs["loop_2/retrained_rm"].tokens is None
    # A student sees as many pairs as the seed did, whatever their number is.
    seen = [costs[key].tokens or 0.0 for key in ("seed_rm/member_0", "loop_2/retrained_rm/member_0")]
    assert 1 <= seen[1] / seen[0] < 2


def test_an_ensemble_that_keeps_everything_ends_with_an_empty_pool(data_root: Path, tmp_path: Path) -> None:
    method = 'teachers = 2\nselect = "all"\nstudent_epochs = 2\nreplay = "all"\ntemperature = "seed"'
    work = evolve(data_root, tmp_path, method)
    report = work.heads.get("loop_2/status_report").summary
    assert (report["n_pool"], report["ends"]) == (0, True)
    assert work.trained_loops() == [0, 1]
    assert loop_rows(work)[-1]["n_kept"] == 0
    kept = rows(work, "loop_1/filtered_pairs", "filtered.parquet")
    assert all(row["kept"] and row["rule"] == "all" and row["target"] in (0.0, 1.0) for row in kept.values())
    starts = [work.heads.get(f"loop_1/retrained_rm/member_{number}").manifest["inputs"]["start"] for number in (0, 1)]
    assert [start["sha256"] for start in starts] == [part.digest for part in work.members(work.heads.get("seed_rm"))]


def test_a_shrinking_pool_with_unseen_teachers_and_a_relative_promise(data_root: Path, tmp_path: Path) -> None:
    work = evolve(
        data_root, tmp_path, 'teachers = 2\nselect = "calibrated"\nlabel_with = "unseen"\nmin_precision = "relative"'
    )
    accuracy = work.heads.get("seed_rm.heldout").summary["metrics"]["calibration"]["accuracy"]["value"]
    report = work.heads.get("loop_1/status_report").summary
    # A seed that has learnt next to nothing: no pairs are known to be labelled better than that.
    assert report["precision"]["promised"] == pytest.approx(max(accuracy, 0.5))
    assert report["precision"]["precision_low"] < report["precision"]["promised"]
    assert (work.converged_in(), report["ends"]) == (1, True)
    assert "converged: no " in report["why"] and "keep the promise" in report["why"]
