"""The graph: its shape, and its way through every learning status."""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets.graph import advice_keys, graph, run_keys
from assets.ser_resource import SNAPSHOTS
from resources.settings import Controls, Settings
from resources.settings_file import load_settings
from ser.method import watch
from ser.method.watch import SIGNS
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

EXPECTED = """
backbone: splits
controls/full_label_rm: seed_rm vault
controls/half_seed_rm: seed_rm
controls/judge_rm: evolved_rm
controls/more_steps_rm: evolved_rm
controls/naive_self_training_rm: loop_1/self_labels
controls/seed_ensemble_rm: evolved_rm
controls/true_label_rm: evolved_rm vault
encoded_pairs: backbone
evolved_rm: loop_1/retrained_rm loop_2/retrained_rm seed_rm
landed_pairs:
loop_1/filtered_pairs: loop_1/status_report
loop_1/ppo_policy: loop_1/retrained_rm
loop_1/retrained_rm: loop_1/filtered_pairs
loop_1/self_labels: seed_rm
loop_1/status_report: loop_1/self_labels
loop_2/filtered_pairs: loop_2/status_report
loop_2/ppo_policy: loop_2/retrained_rm
loop_2/retrained_rm: loop_2/filtered_pairs
loop_2/self_labels: loop_1/retrained_rm
loop_2/status_report: loop_2/self_labels
policy_evaluation: controls/judge_rm ppo_policy
ppo_policy: evolved_rm
report: audit_sync
audit_sync: CONTROLS evolved_rm policy_evaluation seed_rm vault
vault: splits
seed_rm: encoded_pairs
splits: landed_pairs
"""

CONTROLS = [
    f"controls/{name}_rm"
    for name in ("full_label", "half_seed", "more_steps", "naive_self_training", "seed_ensemble", "true_label")
]
CHECKS = {
    "splits:no_pair_in_two_roles",
    "seed_rm:shown_better_than_a_coin",
    "seed_rm:no_sign_of_a_shortcut",
    "audit_sync:audit_equals_parquet",
    "audit_sync:label_precision",
    *(f"audit_sync:{sign.name}" for sign in SIGNS),
    "audit_sync:human_pairs_are_like_the_pool",
    "loop_1/retrained_rm:not_worse_than_before",
    "loop_1/retrained_rm:no_sign_of_a_shortcut",
    "loop_2/retrained_rm:not_worse_than_before",
    "loop_2/retrained_rm:no_sign_of_a_shortcut",
}


@pytest.fixture
def landed(data_root: Path, tmp_path: Path) -> str:
    """A snapshot of 400 labelled pairs; the settings say two retraining loops at most three."""
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(400)))


def test_the_graph_is_the_figure_of_the_design() -> None:
    assets, checks = graph(Settings(loops=2, max_loops=2))
    defs = dg.Definitions(assets=assets, asset_checks=checks, resources={"ser": dg.ResourceDefinition.none_resource()})
    nodes = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): " ".join(sorted(parent.to_user_string() for parent in nodes.get(key).parent_keys))
        for key in nodes.get_all_asset_keys()
    }
    lines = EXPECTED.replace("CONTROLS", " ".join(CONTROLS)).strip().splitlines()
    expected = dict(line.split(":") for line in lines)
    assert found == {key: parents.strip() for key, parents in expected.items()}
    assert {f"{key.asset_key.to_user_string()}:{key.name}" for key in nodes.asset_check_keys} == CHECKS


def test_what_is_made_on_demand_stands_apart_from_what_a_run_makes() -> None:
    settings = Settings(loops=2, max_loops=2)
    assets, _ = graph(settings)
    made = {key.to_user_string() for key in run_keys(settings, policy=True)}
    groups = {key.to_user_string(): group for asset in assets for key, group in asset.group_names_by_key.items()}
    on_demand = {key for key, group in groups.items() if group.startswith("on_demand_")}
    assert on_demand == {*CONTROLS, "loop_1/ppo_policy", "loop_2/ppo_policy"}
    assert made | on_demand == set(groups) and not made & on_demand


def test_controls_that_are_asked_for_are_made_after_what_they_need() -> None:
    asked = dict.fromkeys(Controls.model_fields, True)
    settings = Settings(loops=2, max_loops=2, controls=Controls(**asked))
    made = [key.to_user_string() for key in run_keys(settings, policy=True)]
    assert set(made) - {key.to_user_string() for key in run_keys(Settings(max_loops=3), policy=True)} == set(CONTROLS)
    place = made.index
    assert place("seed_rm") < place("controls/full_label_rm") < place("loop_1/self_labels")
    assert place("seed_rm") < place("controls/half_seed_rm") < place("loop_1/self_labels")
    assert place("loop_1/self_labels") < place("controls/naive_self_training_rm") < place("loop_2/self_labels")
    advice = [key.to_user_string() for key in advice_keys()]
    assert [key for key in made[: place("loop_1/self_labels")] if key != "controls/full_label_rm"] == advice
    for late in ("more_steps", "true_label", "seed_ensemble"):
        assert place("evolved_rm") < place(f"controls/{late}_rm") < place("controls/judge_rm")
    assert settings.digest == Settings(loops=2, max_loops=2).digest


def test_one_datasets_check_says_nothing_of_anothers() -> None:
    _, checks = graph(Settings(loops=2, max_loops=2))
    assert {spec.partitions_def for check in checks for spec in check.check_specs} == {SNAPSHOTS}


def test_through_status_1_and_2_to_converged(data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def probabilities(loop: int, number: int, pair_id: str) -> tuple[float, float]:
        if loop == 1:
            return (0.8, 0.2) if number < 30 else (0.52, 0.5)
        if loop == 2:
            return (0.56, 0.95) if number < 25 else (0.52, 0.5)
        return 0.5, 0.5

    chain.inject(monkeypatch, probabilities)
    monkeypatch.setattr(watch, "FLIPS", 0.01)
    result, work = chain.materialize(data_root, landed)
    assert result.success
    found = chain.outcomes(result)
    assert [chain.summary(work, f"loop_{k}/status_report")["status"] for k in (1, 2, 3)] == ["1", "2", "converged"]
    assert [chain.summary(work, f"loop_{k}/filtered_pairs")["n_kept"] for k in (1, 2)] == [30, 25]
    assert [chain.summary(work, f"loop_{k}/retrained_rm")["n_pseudo"] for k in (1, 2)] == [30, 55]
    pool = chain.summary(work, "splits")["pool"]
    assert [chain.summary(work, f"loop_{k}/self_labels")["n_pool"] for k in (1, 2, 3)] == [pool, pool - 30, pool - 55]
    assert "loop_3/filtered_pairs" not in found
    assert found["loop_3/retrained_rm"] == "skipped"
    after = ["evolved_rm", "ppo_policy", "policy_evaluation", "audit_sync", "report"]
    assert [found[name] for name in after] == ["made"] * 5
    assert [one["loop"] for one in chain.summary(work, "evolved_rm")["candidates"]] == [0, 1, 2]
    passed = chain.checks(result)
    assert passed["splits:no_pair_in_two_roles"]
    assert passed["seed_rm:shown_better_than_a_coin"]
    assert passed["audit_sync:audit_equals_parquet"]
    unlike = next(
        one for one in result.get_asset_check_evaluations() if one.check_name == "human_pairs_are_like_the_pool"
    )
    assert not unlike.passed and "the seed RM's margins of the pool are" in str(unlike.metadata["seen"].value)
    turned = next(one for one in result.get_asset_check_evaluations() if one.check_name == "labels_are_stable")
    assert not turned.passed and turned.severity == dg.AssetCheckSeverity.WARN
    assert "loop 2: " in str(turned.metadata["seen"].value) and "ser audit flips" in str(
        turned.metadata["look_at"].value
    )
    assert turned.metadata["measured_in"].value == "loop 2, loop 3"
    assert turned.metadata["limit"].value == "25 % of the labels turned round, or less than 75 % as the seed RM's"
    honest = next(one for one in result.get_asset_check_evaluations() if one.check_name == "own_labels_are_honest")
    assert honest.passed and honest.metadata["measured_in"].value == "no loop"
    first_rows = {next(iter(one.materialization.metadata)) for one in result.get_asset_materialization_events()}
    assert first_rows == {"summary"}
    told = chain.metadata(result, "evolved_rm")
    assert told["summary"].startswith("the seed stays – loop 2 is ")
    assert told["gain_low"] <= told["gain"] <= told["gain_high"]
    # Response a is preferred but of the first pairs in loop 2, which are kept.
    plotted = chain.metadata(result, "audit_sync")
    assert plotted["loop_2_flip_rate"] == pytest.approx(25 / (pool - 30), rel=1e-3) and plotted["loop_3_flip_rate"] == 0
    assert {"loop_0_ece_test", "loop_2_kept_longer", "loop_2_margin_spread"} < plotted.keys()
    with duckdb.connect(str(data_root / "audit.duckdb"), read_only=True) as audit:
        rows = audit.execute("SELECT loop, rule, kept, count(*) FROM self_labels GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [
        (1, "none", False, pool - 30),
        (1, "status_1", True, 30),
        (2, "none", False, pool - 55),
        (2, "status_2", True, 25),
        (3, "none", False, pool - 55),
    ]


@pytest.mark.slow
def test_converged_at_loop_1_still_gives_a_policy_and_a_report(
    data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.inject(monkeypatch, lambda loop, number, pair_id: (0.5, 0.5))
    result, work = chain.materialize(data_root, landed)
    assert result.success
    found = chain.outcomes(result)
    assert chain.summary(work, "loop_1/status_report")["status"] == "converged"
    assert "loop_1/filtered_pairs" not in found
    later = ["loop_1/retrained_rm", "loop_2/self_labels", "loop_3/retrained_rm"]
    assert [found[name] for name in later] == ["skipped"] * 3
    after = ["evolved_rm", "ppo_policy", "policy_evaluation", "audit_sync", "report"]
    assert [found[name] for name in after] == ["made"] * 5
    assert chain.summary(work, "evolved_rm")["promoted_loop"] == 0
    assert (data_root / "reports" / f"{landed}-{load_settings().digest}.html").exists()


def test_too_few_labels_say_how_many_are_needed(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "few.jsonl", labelled_rows(40)))
    result, _ = chain.materialize(data_root, snapshot)
    failed = [event for event in result.all_events if event.is_step_failure]
    assert [event.step_key for event in failed] == ["encoded_pairs"]
    assert "at least 16 are needed.\nLand more labelled pairs, or set roles." in str(failed[0].step_failure_data.error)


@pytest.mark.slow
def test_max_pairs_takes_whole_prompts_and_keeps_the_roles(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_ROLES__MAX_PAIRS", "300")
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    assert load_settings().roles.max_pairs == 300
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(400)))
    _, work = chain.materialize(data_root, snapshot, policy=False)
    counts = chain.summary(work, "splits")
    assert sum(counts[role] for role in ("seed", "calibration", "test", "pool")) == 300
    assert counts["vault"] == counts["pool"]
