"""Every table against the artifacts, idempotence, and inputs of any size and name."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_contents import content, rows
from audit_fakes import (
    PAIRS,
    SNAPSHOT,
    landed,
    named,
    record,
    splits,
    with_artifacts,
)

from resources.audit.database import AuditDatabase
from resources.audit.schema import prepare_for_bulk
from resources.audit.sync import matches_parquet, sync
from ser.data import tables

LANDED_AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> AuditDatabase:
    return AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)


def test_every_table_holds_the_run(tmp_path: Path, database: AuditDatabase) -> None:
    counts = sync(database, record(tmp_path))
    assert counts == {
        "pairs": 16, "roles": 16, "human_labels": 15, "self_labels": 13, "heldout_scores": 12,
        "status_reports": 2, "reward_models": 3, "evaluations": 22, "policies": 1, "policy_samples": 4,
    }  # fmt: skip
    for table, n in counts.items():
        assert rows(database, f"SELECT count(*) FROM {table}") == [(n,)], table
    assert rows(database, "SELECT * EXCLUDE (tied, fold_number) FROM pairs WHERE pair_id = 's2'") == [
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


def test_large_copies_are_bounded_and_go_one_at_a_time() -> None:
    with duckdb.connect() as connection:
        prepare_for_bulk(connection)
        [bounds] = connection.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads'), "
            "current_setting('preserve_insertion_order')"
        ).fetchall()
    assert bounds == ("244.1 MiB", 1, False)
