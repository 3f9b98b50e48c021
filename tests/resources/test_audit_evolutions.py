"""What evolutions share, what supersedes what, runs that stopped half way, and rebuilding."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_contents import content, rows
from audit_fakes import (
    EVOLUTION,
    LOOP_1,
    SNAPSHOT,
    artifact,
    filtered,
    heldout,
    made_of,
    named,
    policy_of,
    record,
    report_of,
    with_artifacts,
)

from resources.audit.database import AuditDatabase
from resources.audit.queries import run_named
from resources.audit.sync import EvolutionRecord, matches_parquet, rebuild, sync
from resources.audit.writing import AuditBusy
from resources.reporting.report_data import gather
from resources.settings import Settings
from ser.errors import SerError
from ser.specs import Thresholds


@pytest.fixture
def database(tmp_path: Path) -> AuditDatabase:
    return AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)


def shown(database: AuditDatabase, evolution: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that the database shows of an evolution."""
    views = ("roles", "self_labels", "heldout_scores", "status_reports", "reward_models", "evaluations", "policies",
             "policy_samples", "label_history", "label_flips", "label_precision", "selection_bias", "loop_summary",
             "evolution_artifacts")  # fmt: skip
    return {
        name: rows(database, f"SELECT * FROM {name} WHERE evolution = '{evolution}' ORDER BY ALL") for name in views
    }


def with_other_thresholds(root: Path, run: EvolutionRecord) -> EvolutionRecord:
    """An evolution with the same seed RM and the same first labels, of which it keeps all and trains another model."""
    everything = {pair: (label, confidence, True) for pair, (label, confidence, _) in LOOP_1.items()}
    shared = ("landed_pairs", "splits", "seed_rm", "seed_rm.heldout", "loop_1/self_labels")
    training = {"n_human": 2, "n_pseudo": 8, "random_seed": 7}
    own = [
        report_of(root, 1, "2", len(LOOP_1), "v-status-loose"),
        filtered(root, 1, everything, "v-filtered-loose"),
        artifact(root, "loop_1/retrained_rm", "v-rm-loose", training, **made_of("v-rm-0", "start")),
        heldout(root, "loop_1/retrained_rm", "v-held-loose", "v-rm-loose", set()),
    ]
    settings = Settings(thresholds=Thresholds(tau_delta=0.2))
    return with_artifacts(named({key: run.artifacts[key] for key in shared}, settings=settings, name="loose"), *own)


def test_two_evolutions_of_a_snapshot_are_both_there_and_share_their_facts(
    tmp_path: Path, database: AuditDatabase
) -> None:
    run = record(tmp_path)
    loose = with_other_thresholds(tmp_path, run)
    sync(database, run)
    strict = shown(database, run.evolution)
    assert all(strict.values())
    sync(database, loose)
    assert shown(database, run.evolution) == strict
    other = shown(database, loose.evolution)
    assert [len(other[name]) for name in ("self_labels", "label_history", "status_reports", "loop_summary")] == [
        8,
        8,
        1,
        2,
    ]
    assert rows(database, "SELECT evolution, count(*) FROM self_labels WHERE kept GROUP BY ALL ORDER BY 2") == [
        (run.evolution, 3), (loose.evolution, 8),
    ]  # fmt: skip
    columns = "name, state, promoted_loop, promoted_rm, verdict, gain_calibration, needed, gain_test"
    assert rows(database, f"SELECT {columns} FROM evolutions ORDER BY name NULLS FIRST") == [
        (None, "finished", 1, "v-rm-1", "shown", 0.5, 1234, 0.25),
        ("loose", "unfinished", None, None, None, None, None, 0.5),
    ]
    settings = rows(database, "SELECT settings FROM evolutions WHERE name = 'loose'")[0][0]
    assert json.loads(settings)["thresholds"]["tau_delta"] == 0.2
    # The seed RM, its scores and the roles are stored once; a decision stands beside the labels that it is about.
    facts = {"reward_model_facts": 4, "heldout_facts": 18, "role_facts": 16, "self_label_facts": 13 + 8}
    for table, n in facts.items():
        assert rows(database, f"SELECT count(*) FROM {table}") == [(n,)], table
    sync(database, run)
    sync(database, loose)
    assert (shown(database, run.evolution), shown(database, loose.evolution)) == (strict, other)
    assert matches_parquet(database, run) == matches_parquet(database, loose) == []


def test_what_was_made_anew_supersedes_and_what_was_there_stays_marked(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    first = sync(database, run)
    before = shown(database, run.evolution)
    seed = artifact(tmp_path, "seed_rm", "v-other", {"n_human": 2, "n_pseudo": 0, "random_seed": 8})
    begun = {key: one for key, one in run.artifacts.items() if key in ("landed_pairs", "splits")}
    sync(database, replace(run, artifacts={**begun, "seed_rm": seed}))
    for view in ("self_labels", "status_reports", "heldout_scores", "policies"):
        assert rows(database, f"SELECT count(*) FROM {view}") == [(0,)], view
    assert rows(database, "SELECT rm_version, promoted FROM reward_models") == [("v-other", False)]
    assert rows(database, "SELECT state, promoted_rm, gain_test FROM evolutions") == [("unfinished", None, None)]
    assert rows(database, "SELECT count(*) FROM self_label_facts") == [(first["self_labels"],)]
    superseded = rows(database, "SELECT version FROM evolution_artifacts WHERE NOT current AND asset = 'seed_rm'")
    assert superseded == [("v-rm-0",)]
    everything = content(database)
    rebuild(database.path, [replace(run, artifacts={**begun, "seed_rm": seed})])
    assert content(database) == everything
    sync(database, run)
    after = shown(database, run.evolution)
    assert [row for row in after.pop("evolution_artifacts") if row[3]] == before.pop("evolution_artifacts")
    assert after == before
    assert matches_parquet(database, run) == []


def test_a_run_that_stopped_half_way_is_recorded_as_far_as_it_came(tmp_path: Path, database: AuditDatabase) -> None:
    whole = record(tmp_path)
    for last in ("loop_1/self_labels", "loop_1/status_report"):
        keys = list(whole.artifacts)
        upto = {key: whole.artifacts[key] for key in keys[: keys.index(last) + 1]}
        run = replace(whole, artifacts=upto)
        sync(database, run)
        assert rows(database, "SELECT DISTINCT rule, kept, reason FROM self_labels") == [("none", False, "not decided")]
        assert matches_parquet(database, run) == []
    sync(database, whole)
    assert rows(database, "SELECT count(*) FROM self_label_facts") == [(13,)]  # nothing that was not decided is left
    assert matches_parquet(database, whole) == []
    empty = named({}, snapshot="sample-empty")
    assert set(sync(database, empty).values()) == {0}


def test_what_an_earlier_run_left_after_the_loop_that_converged_is_ignored(
    tmp_path: Path, database: AuditDatabase
) -> None:
    run = record(tmp_path)
    stale = {
        "loop_2/filtered_pairs": filtered(tmp_path, 2, LOOP_1),
        "loop_3/status_report": report_of(tmp_path, 3, "1", 9),
    }
    sync(database, replace(run, artifacts={**run.artifacts, **stale}))
    assert rows(database, "SELECT loop, n_kept FROM status_reports ORDER BY loop") == [(1, 3), (2, 0)]
    assert rows(database, "SELECT DISTINCT reason FROM self_labels WHERE loop = 2") == [("converged",)]


def test_what_was_measured_of_a_replaced_model_is_not_told_of_the_new_one(
    tmp_path: Path, database: AuditDatabase
) -> None:
    run = record(tmp_path)
    sync(database, run)
    began_again = with_artifacts(
        run,
        artifact(tmp_path, "seed_rm", "v-new-rm", {"n": 2}),
        policy_of(tmp_path, "v-new-ppo", {"episodes": 64}),
    )
    sync(database, began_again)
    assert matches_parquet(database, began_again) == []
    for table in ("heldout_scores", "evaluations"):
        assert rows(database, f"SELECT count(*) FROM {table} WHERE rm_version = 'v-new-rm'") == [(0,)]
    assert rows(database, "SELECT rm_version, test_accuracy FROM loop_summary WHERE loop < 2 ORDER BY loop") == [
        ("v-new-rm", None), ("v-rm-1", 0.75),
    ]  # fmt: skip
    assert rows(database, "SELECT DISTINCT policy_version FROM policy_samples") == []
    columns, policies = run_named(database.path, "policy", EVOLUTION)
    rates = {row[columns.index("policy_version")]: row[columns.index("win_rate")] for row in policies}
    assert rates == {"v-new-ppo": None}
    assert gather(database.path, run.evolution).policy["metrics"] == {}


def test_a_model_made_again_with_the_same_bytes_keeps_its_measurements(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    again = [replace(run.artifacts[key], version=f"{run.artifacts[key].version}+again")
             for key in ("seed_rm", "ppo_policy", "loop_1/self_labels")]  # fmt: skip
    sync(database, with_artifacts(run, *again))
    assert rows(database, "SELECT rm_version, test_accuracy FROM loop_summary WHERE loop = 0") == [
        ("v-rm-0+again", 0.5)
    ]
    assert rows(database, "SELECT DISTINCT policy_version FROM policy_samples") == [("v-ppo+again",)]
    assert rows(database, "SELECT count(*) FROM self_labels WHERE kept") == [(3,)]


def test_new_labels_are_not_decided_by_the_filter_of_the_earlier_ones(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    sync(database, with_artifacts(run, replace(run.artifacts["loop_1/self_labels"], version="v-new-labels")))
    assert rows(database, "SELECT DISTINCT rule, kept, reason FROM self_labels WHERE loop = 1") == [
        ("none", False, "not decided")
    ]
    assert rows(database, "SELECT loop FROM status_reports") == [(2,)]


def test_what_differs_from_parquet_is_named_and_mended_by_a_rebuild(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    sync(database, run)
    with database.writing() as connection:
        connection.execute(
            "UPDATE self_label_facts SET confidence = 0.99 WHERE labels = 'v-labels-1' AND pair_id = 'p8'"
        )
        connection.execute("DELETE FROM self_label_facts WHERE labels = 'v-labels-2' AND pair_id = 'p8'")
        connection.execute("UPDATE selection_facts SET n_kept = 4")
        connection.execute("UPDATE evolutions SET promoted_loop = 3")
        connection.execute("DELETE FROM pairs WHERE pair_id = 's1'")
    assert matches_parquet(database, run) == [
        "pairs: 15 rows in the database, 16 in the artifacts",
        "self_labels of loop 1: the 8 rows differ in content",
        "self_labels of loop 2: 4 rows in the database, 5 in the artifacts",
        "selection_facts of loop_1/filtered_pairs: the 1 rows differ in content",
        "evolutions: the 1 rows differ in content",
    ]
    rebuild(database.path, [run])
    assert matches_parquet(database, run) == []


def test_a_database_whose_labels_are_of_no_dataset_is_made_again(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("CREATE TABLE human_labels (pair_id VARCHAR NOT NULL, preferred VARCHAR NOT NULL, "
                           "annotator VARCHAR, in_vault BOOLEAN NOT NULL, landed_at TIMESTAMP)")  # fmt: skip
    with pytest.raises(SerError, match=r"of another version.*\n`ser audit --rebuild`"):
        sync(database, run)
    rebuild(database.path, [run])
    assert matches_parquet(database, run) == []


def test_rebuilding_gives_the_same_content(tmp_path: Path, database: AuditDatabase) -> None:
    run, later = record(tmp_path), record(tmp_path, snapshot="sample-later")
    for one in (run, later):
        sync(database, one)
    before = content(database)
    database.path.write_bytes(b"not a database")
    database.path.with_name("audit.duckdb.wal").write_bytes(b"an old log")
    rebuild(database.path, [run, later])
    assert content(database) == before
    assert sorted(path.name for path in tmp_path.glob("*audit*")) == ["audit.duckdb"]


def test_a_sync_during_a_rebuild_is_not_lost(tmp_path: Path, database: AuditDatabase) -> None:
    run, later = record(tmp_path), record(tmp_path, snapshot="sample-later")
    sync(database, run)
    patient = threading.Thread(target=sync, args=(replace(database, patience=60.0), later))

    def records() -> Iterator[EvolutionRecord]:
        yield run
        with pytest.raises(AuditBusy, match="is being written by another process"):
            sync(database, later)
        patient.start()
        patient.join(2.0)

    rebuild(database.path, records())
    patient.join()
    assert rows(database, "SELECT snapshot, count(*) FROM self_labels GROUP BY ALL ORDER BY ALL") == [
        (SNAPSHOT, 13), ("sample-later", 13),
    ]  # fmt: skip
    assert matches_parquet(database, run) == matches_parquet(database, later) == []
    assert sorted(path.name for path in tmp_path.glob("*audit*")) == ["audit.duckdb"]
