"""How far an evolution came: what it lacks, in the order of the graph."""

from pathlib import Path

import pytest

from assets.graph import run_keys
from resources import asset_keys as keys
from resources.outline import next_to_make, outline
from resources.settings import Controls, Settings
from tests.evolution_fakes import DATA, POLICY, SEED, evolution, loop, make

CHAIN = [*SEED, *loop(1), *loop(2), keys.EVOLVED_RM]
BAD_SEED = {"seed_rm_heldout": {"metrics": {"calibration": {"accuracy": {"ci_low": 0.4}}}}}


def missing(work, policy: bool = False) -> str | None:
    return next_to_make(outline(work), policy=policy)


def test_every_step_of_the_chain_is_the_next_one_in_its_turn(tmp_path: Path) -> None:
    work, asked = evolution(tmp_path), []
    for key in [*CHAIN, *POLICY]:
        if not keys.measured_model(key):  # the scores belong to the asset of the model
            asked.append(missing(work, policy=True))
        make(work, [key])
    assert asked == [key for key in [*CHAIN, *POLICY] if not keys.measured_model(key)]
    assert missing(work, policy=True) is None
    # It is the order in which an execution makes them, but for the backbone, which is no artifact without `sft`.
    graph = ["/".join(key.path) for key in run_keys(Settings(max_loops=2, loops=2), policy=True)]
    assert [key for key in graph if key in asked] == asked
    assert set(graph) - set(asked) == {keys.BACKBONE, keys.AUDIT_SYNC, keys.REPORT}


def test_a_model_without_its_scores_is_not_made(tmp_path: Path) -> None:
    work = evolution(tmp_path)
    make(work, [*DATA, keys.SEED_RM])
    assert missing(work) == keys.SEED_RM


def test_a_loop_that_converged_is_the_last(tmp_path: Path) -> None:
    work = evolution(tmp_path)
    make(work, [*SEED, keys.self_labels(1)])
    make(work, [keys.status_report(1)], status_report={"ends": True})
    assert missing(work) == keys.EVOLVED_RM


@pytest.mark.parametrize(("anyway", "expected"), [(False, keys.EVOLVED_RM), (True, keys.self_labels(1))])
def test_a_closed_gate_leads_to_the_promotion_of_the_seed_and_to_no_policy(
    tmp_path: Path, anyway: bool, expected: str
) -> None:
    work = evolution(tmp_path, anyway=anyway)
    make(work, SEED, **BAD_SEED)
    assert missing(work) == expected
    make(work, [keys.EVOLVED_RM])
    if not anyway:
        assert missing(work, policy=True) is None


def test_a_promotion_that_was_decided_on_another_seed_is_not_counted(tmp_path: Path) -> None:
    work = evolution(tmp_path)
    make(work, CHAIN)
    assert missing(work) is None
    make(work, [keys.SEED_RM], again="later")
    assert missing(work) == keys.SEED_RM  # its scores are those of the seed RM before
    make(work, [keys.heldout_of(keys.SEED_RM)], again="later")
    assert missing(work) == keys.EVOLVED_RM


def test_only_manifest_and_summary_are_read(tmp_path: Path) -> None:
    work = evolution(tmp_path)
    make(work, CHAIN)
    for table in tmp_path.glob("artifacts/**/*.parquet"):
        table.write_text("changed")
    assert missing(work) is None
    (summary,) = tmp_path.glob("artifacts/evolved_rm/*/summary.json")
    summary.write_text("{}")
    assert missing(work) == keys.EVOLVED_RM


def test_controls_that_are_asked_for_are_missed_where_they_are_possible(tmp_path: Path) -> None:
    asked = Controls(**dict.fromkeys(Controls.model_fields, True))
    work = evolution(tmp_path, controls=asked)
    steps = {"retrained_rm": {"steps": 2}, "seed_rm": {"steps": 3}, "more_steps_rm": {"steps": 7}}
    make(work, CHAIN, **steps)  # there is no vault
    for key in (keys.MORE_STEPS_RM, keys.NAIVE_RM, keys.SEED_ENSEMBLE_RM, keys.HALF_SEED_RM):
        assert missing(work) == key
        make(work, [keys.NAIVE_PAIRS, key, keys.heldout_of(key)], seed_ensemble_rm={"members": 3}, **steps)
    assert missing(work) is None
    make(work, [keys.VAULT], again="with labels", vault={"vault": 7})
    for key in (keys.FULL_LABEL_RM, keys.TRUE_LABEL_RM):
        assert missing(work) == key
        make(work, [keys.TRUE_LABELS], true_label_rm_true_labels={"n_labelled": 3})
        make(work, [key, keys.heldout_of(key)])
    assert missing(work) is None


def test_a_control_of_loops_is_not_missed_where_none_was_trained(tmp_path: Path) -> None:
    asked = Controls(**dict.fromkeys(Controls.model_fields, True) | {"half_seed": False})
    closed = evolution(tmp_path / "closed", controls=asked)
    make(closed, [*SEED, keys.EVOLVED_RM], **BAD_SEED)
    assert missing(closed) is None
    converged = evolution(tmp_path / "converged", controls=asked)
    make(converged, [*SEED, keys.self_labels(1)])
    make(converged, [keys.status_report(1)], status_report={"ends": True})
    make(converged, [keys.EVOLVED_RM])
    assert missing(converged) == keys.NAIVE_RM


def test_half_of_the_seed_is_missed_behind_a_closed_gate_too_unless_there_is_none(tmp_path: Path) -> None:
    work = evolution(tmp_path, controls=Controls(half_seed=True))
    make(work, [*SEED, keys.EVOLVED_RM], **BAD_SEED)
    assert missing(work) == keys.HALF_SEED_RM
    make(work, [keys.SEED_HALVES], half_seed_rm_halves={"n_left_out": 0})
    assert missing(work) is None
