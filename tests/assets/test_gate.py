"""The gate: a seed RM that is not shown to be better than a coin ends the run with a result, unless it is to go on."""

from pathlib import Path

import pytest

from assets.evolved import finished_models
from tests import chain
from tests.assets.test_on_demand import on_demand
from tests.pairs import labelled_rows, write_jsonl

AFTER = ["ppo_policy", "controls/judge_rm", "policy_evaluation"]


@pytest.fixture
def at_chance(data_root: Path, tmp_path: Path) -> str:
    """A snapshot whose labels are those of a coin."""
    (tmp_path / "ser.toml").write_text("loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    rows = labelled_rows(300, noise=0.5)
    return chain.land(data_root, write_jsonl(tmp_path / "noise.jsonl", rows))


def test_a_closed_gate_is_a_result(data_root: Path, at_chance: str) -> None:
    result, work = chain.materialize(data_root, at_chance)
    assert result.success and not [event for event in result.all_events if event.is_step_failure]
    found = chain.outcomes(result)
    made = {key for key, outcome in found.items() if outcome == "made"}
    assert made == {"landed_pairs", "splits", "seed_rm", "evolved_rm", "audit_sync", "report"}
    later = ["loop_1/status_report", "loop_1/filtered_pairs", "loop_1/retrained_rm", "loop_2/self_labels"]
    assert [found[key] for key in [*later, "policy_evaluation"]] == ["skipped"] * 5
    assert finished_models(work) == ["seed_rm"]
    promotion = chain.summary(work, "evolved_rm")
    assert (promotion["promoted_loop"], promotion["verdict"]) == (0, "gate_not_shown")
    assert promotion["gate"]["words"].startswith("not shown to be better than a coin with ")
    passed = chain.checks(result)
    assert not passed["seed_rm:shown_better_than_a_coin"]
    assert passed["audit_sync:audit_equals_parquet"]
    result, _ = on_demand(data_root, at_chance, "loop_1/ppo_policy")
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "loop 1 has no reward model: the seed RM is not shown to be" in str(failure.step_failure_data.error)
