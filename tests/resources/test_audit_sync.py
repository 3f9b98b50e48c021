"""Every table against the artifacts, idempotence, replacement, failures half way, and comparing with parquet."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_fakes import (
    EVOLUTION,
    LOOP_1,
    PAIRS,
    SNAPSHOT,
    artifact,
    filtered,
    heldout,
    landed,
    made_of,
    named,
    record,
    report_of,
    splits,
    with_artifacts,
)

from resources.audit.database import AuditBusy, AuditDatabase, query
from resources.audit.queries import run_named
from resources.audit.sync import EvolutionRecord, matches_parquet, rebuild, sync
from resources.reporting.report_data import gather
from resources.settings import Settings
from ser.data import tables
from ser.errors import SerError
from ser.specs import Thresholds

LANDED_AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> AuditDatabase:
    return AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)


def rows(database: AuditDatabase, sql: str) -> list[tuple[Any, ...]]:
    return query(database.path, sql)[1]


def content(database: AuditDatabase) -> dict[str, list[tuple[Any, ...]]]:
    names = [name for (name,) in rows(database, "SELECT table_name FROM duckdb_tables() ORDER BY 1")]
    return {name: rows(database, f"SELECT * FROM {name} ORDER BY ALL") for name in names}


def test_every_table_holds_the_run(tmp_path: Path, database: AuditDatabase) -> None:
    counts = sync(database, record(tmp_path))
    assert counts == {
        "pairs": 16, "roles": 16, "human_labels": 15, "self_labels": 13, "heldout_scores": 12,
        "status_reports": 2, "reward_models": 3, "evaluations": 22, "policies": 1, "policy_samples": 4,
    }  # fmt: skip
    for table, n in counts.items():
        assert rows(database, f"SELECT count(*) FROM {table}") == [(n,)], table
    assert rows(database, "SELECT * EXCLUDE (tied) FROM pairs WHERE pair_id = 's2'") == [
        ("s2", "sample", "Question s2?", "Answer s2 long ", "Reply s2", "cooking", "kitchen", LANDED_AT, 1)
    ]  # fmt: skip
    assert rows(database, "SELECT * FROM snapshots") == [(SNAPSHOT, "sample", 1, 16, 15, LANDED_AT)]
    assert rows(database, "SELECT role, count(*) FROM roles GROUP BY ALL ORDER BY ALL") == [
        ("calibration", 2), ("pool", 8), ("seed", 2), ("test", 4),
    ]  # fmt: skip
    assert rows(database, "SELECT in_vault, count(*) FROM roles GROUP BY ALL ORDER BY 1") == [
        (False, 9), (True, 7),
    ]  # fmt: skip
    assert rows(database, "SELECT DISTINCT annotator, origin FROM human_labels") == [("ann", "landed")]


def test_a_self_label_says_who_gave_it_and_why(tmp_path: Path, database: AuditDatabase) -> None:
    sync(database, record(tmp_path))
    columns = "loop, rm_version, reward_a, p_a, confidence, preferred, rule, kept, reason, weight, run_id, scored_at"
    at = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
    assert rows(database, f"SELECT {columns} FROM self_labels WHERE pair_id = 'p1'") == [
        (1, "v-rm-0", 1.0, 0.7, 0.95, "a", "status_1", True, "good against bad", 1.0, "run-1", at)
    ]
    assert rows(database, f"SELECT {columns} FROM self_labels WHERE pair_id = 'p6' AND loop = 2") == [
        (2, "v-rm-1", 1.0, 0.7, 0.62, "a", "none", False, "converged", 0.0, "run-1", at)
    ]


def test_models_policies_and_metrics(tmp_path: Path, database: AuditDatabase) -> None:
    sync(database, record(tmp_path))
    columns = "rm_version, loop, parent_version, n_human, n_pseudo, random_seed, train_seconds, promoted, why, path"
    assert rows(database, f"SELECT {columns} FROM reward_models WHERE loop IS NOT NULL ORDER BY loop") == [
        ("v-rm-0", 0, None, 2, 0, 7, 20.0, False, None, "artifacts/seed_rm/v-rm-0"),
        ("v-rm-1", 1, "v-rm-0", 2, 3, 7, 5.0, True, "loop 1: 100.0% of 2 calibration pairs",
         "artifacts/loop_1/retrained_rm/v-rm-1"),
    ]  # fmt: skip
    assert rows(database, "SELECT loop, promoted FROM reward_models WHERE rm_version = 'v-judge'") == [(None, False)]
    assert rows(database, "SELECT DISTINCT split FROM heldout_scores ORDER BY 1") == [("calibration",), ("test",)]
    assert rows(database, "SELECT value, n FROM evaluations WHERE rm_version = 'v-rm-1' AND metric = 'accuracy'"
                " AND split = 'test'") == [(0.75, 4)]  # fmt: skip
    assert rows(database, "SELECT rm_version, split, value, n FROM evaluations WHERE metric = 'win_rate'") == [
        ("v-rm-1", "test", 0.625, 4)
    ]
    assert rows(database, "SELECT policy_version, loop, rm_version, algorithm, episodes, mean_reward, kl, "
                "train_seconds, path FROM policies") == [
        ("v-ppo", 1, "v-rm-1", "ppo", 64, 0.6, 1.25, 30.0, "artifacts/ppo_policy/v-ppo")
    ]  # fmt: skip
    assert rows(database, "SELECT prompt, outcome FROM policy_samples WHERE pair_id = 't3'") == [
        ("Question t3?", "loss")
    ]
    status = rows(database, "SELECT status, n_pool, n_status_1, n_min, n_kept, reward_offset, thresholds "
                  "FROM status_reports ORDER BY loop")  # fmt: skip
    assert [row[:6] for row in status] == [("1", 8, 3, 2, 3, 0.25), ("converged", 5, 3, 2, 0, 0.25)]
    assert json.loads(status[0][6]) == {"tau_high": 0.55, "tau_low": 0.45, "tau_delta": 0.3}


def test_syncing_twice_changes_nothing(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    first = sync(database, run)
    before = content(database)
    assert sync(database, run) == first
    assert content(database) == before


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


def test_snapshots_stand_side_by_side(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    sync(database, run)
    sync(database, record(tmp_path, snapshot="sample-later"))
    assert rows(database, "SELECT count(*) FROM pairs") == [(16,)]
    assert rows(database, "SELECT count(*) FROM self_labels") == [(26,)]
    assert rows(database, "SELECT count(*) FROM self_label_facts") == [(13,)]
    assert rows(database, "SELECT count(*) FROM loop_summary") == [(6,)]
    assert matches_parquet(database, run) == []


def test_a_loop_that_ends_shows_its_labels_whatever_its_learning_status_is(
    tmp_path: Path, database: AuditDatabase
) -> None:
    run = record(tmp_path)
    report = run.artifacts["loop_2/status_report"]
    assert report.summary["ends"]
    told = replace(report, summary={**report.summary, "status": "1"})
    sync(database, replace(run, artifacts={**run.artifacts, "loop_2/status_report": told}))
    assert rows(database, "SELECT loop, status, n_kept FROM status_reports ORDER BY loop")[-1] == (2, "1", 0)
    assert rows(database, "SELECT count(*) > 0, bool_or(kept) FROM self_labels WHERE loop = 2") == [(True, False)]


def test_a_soft_label_keeps_its_target_and_teachers_their_spread(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    for key, column, value in (("loop_1/self_labels", "spread", 0.25), ("loop_1/filtered_pairs", "target", 0.75)):
        path = run.artifacts[key].path / {"spread": "self_labels.parquet", "target": "filtered.parquet"}[column]
        table = pq.read_table(path)
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, column, pa.array([value] * len(table))), path)
    sync(database, run)
    assert rows(database, "SELECT DISTINCT loop, spread FROM self_labels ORDER BY 1") == [(1, 0.25), (2, None)]
    assert rows(database, "SELECT DISTINCT loop, preferred, target FROM self_labels ORDER BY ALL") == [
        (1, "a", 0.75), (1, "b", 0.75), (2, "a", 1.0), (2, "b", 0.0),
    ]  # fmt: skip


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
        artifact(tmp_path, "ppo_policy", "v-new-ppo", {"episodes": 64}, **made_of("v-rm-1", "reward_model")),
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


def test_labels_accumulate_and_even_votes_are_none(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    sync(database, run)
    known = rows(database, "SELECT pair_id, preferred FROM human_choice")
    assert dict(known) == {pair: label for pair, (_, label) in PAIRS.items() if label}
    with database.writing() as connection:
        connection.execute("INSERT INTO human_labels SELECT pair_id, CASE preferred WHEN 'a' THEN 'b' ELSE 'a' END, "
                           "'bob', origin, labelled_at, dataset FROM human_labels WHERE pair_id <> 'p1'")  # fmt: skip
    assert rows(database, "SELECT pair_id, preferred FROM human_choice") == [("p1", "a")]
    # A snapshot that knows fewer labels takes none away.
    sync(database, with_artifacts(run, landed(tmp_path, vault=False)))
    assert rows(database, "SELECT count(*) FROM human_labels") == [(29,)]


def test_the_same_pairs_in_two_datasets_keep_their_own_labels(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    sync(database, run)
    before = {
        name: rows(database, f"SELECT * FROM {name} ORDER BY ALL") for name in ("label_precision", "loop_summary")
    }
    others = (
        replace(landed(tmp_path / "other", flipped=True), version="v-landed-other"),
        replace(splits(tmp_path / "other", roles={"p1": "seed", "s1": "pool"}), version="v-splits-other"),
    )
    mine = with_artifacts(named(run.artifacts, "mine2-0123", "mine2"), *others)
    sync(database, mine)
    for name, was in before.items():
        assert rows(database, f"SELECT * FROM {name} WHERE snapshot = '{SNAPSHOT}' ORDER BY ALL") == was
    assert rows(database, "SELECT dataset, preferred FROM human_labels WHERE pair_id = 'p1' ORDER BY 1") == [
        ("mine2", "b"), ("sample", "a"),
    ]  # fmt: skip
    vaults = "SELECT snapshot, vault FROM label_history WHERE pair_id = 'p2' ORDER BY 1"
    assert rows(database, vaults) == [("mine2-0123", "b"), (SNAPSHOT, "a")]
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


def test_a_conversation_is_stored_as_people_read_it(tmp_path: Path, database: AuditDatabase) -> None:
    run = record(tmp_path)
    path = run.artifacts["landed_pairs"].path / "pairs.parquet"
    changed = list(tables.read(path))
    turns = [("user", "It's 5 o'clock"), ("assistant", "Yes"), ("user", "So?")]
    changed[0]["prompt"] = json.dumps([{"role": role, "content": text} for role, text in turns])
    tables.write(path, pq.read_schema(path), changed)
    sync(database, run)
    assert rows(database, "SELECT prompt FROM pairs WHERE pair_id = 's1'") == [
        ("User: It's 5 o'clock\n\nAssistant: Yes\n\nUser: So?",)
    ]


def test_more_texts_than_its_memory_holds_are_copied(
    tmp_path: Path, database: AuditDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.audit.schema.MEMORY", "64MB")
    run = record(tmp_path)
    folder = run.artifacts["landed_pairs"].path
    for name in ("pairs", "pair_times"):
        path = folder / f"{name}.parquet"
        [first, *_] = tables.read(path)
        texts = {"response_a": "long " * 1000, "response_b": "short " * 400} if name == "pairs" else {}
        many = ({**first, "pair_id": f"{number:024}", **texts} for number in range(30_000))
        tables.write(path, pq.read_schema(path), many)
    sync(database, run)
    sync(database, run)
    assert rows(database, "SELECT count(*), sum(length(response_a)) FROM pairs") == [(30_000, 30_000 * 5000)]


def test_an_odd_folder_name_is_no_sql(tmp_path: Path) -> None:
    root = tmp_path / "it's; a 'folder'"
    database = AuditDatabase(root / "audit.duckdb")
    run = record(root, snapshot="o'brien-0123")
    sync(database, run)
    assert matches_parquet(database, run) == []
    assert rows(database, "SELECT DISTINCT snapshot FROM self_labels") == [("o'brien-0123",)]
    assert SNAPSHOT not in str(content(database))


def test_a_folder_is_read_whatever_characters_are_in_its_name(tmp_path: Path) -> None:
    here, other = tmp_path / "z[b]y's *", tmp_path / "zby's *"
    run, _ = record(here), record(other, texts={"s2": "of the neighbour"})
    database = AuditDatabase(here / "audit.duckdb")
    counts = sync(database, run)
    assert counts["self_labels"] == 13
    assert rows(database, "SELECT response_a FROM pairs WHERE pair_id = 's2'") == [("Answer s2 long ",)]
    assert matches_parquet(database, run) == []
