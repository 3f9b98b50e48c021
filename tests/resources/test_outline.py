"""How far an evolution came: what it lacks, in the order of the graph."""

from pathlib import Path

import pytest

from assets.graph import run_keys
from resources import asset_keys as keys
from resources.outline import next_to_make, outline
from resources.settings import Settings
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
