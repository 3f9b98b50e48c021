"""The audit file by itself, asked with DuckDB alone: what everything means, what made it, and what trained on what."""

from pathlib import Path

import duckdb
import pytest
from audit_contents import rows
from audit_fakes import EVOLUTION, LOOP_1, PAIRS, artifact, digest_of, record, trained_on, with_artifacts
from hypothesis import given
from hypothesis import strategies as st

from resources.audit.database import AuditDatabase
from resources.audit.dictionary import dictionary
from resources.audit.queries import named_queries
from resources.audit.schema import apply_schema
from resources.audit.sync import sync
from ser.method.selection import fold_of


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> AuditDatabase:
    folder = tmp_path_factory.mktemp("audit")
    made = AuditDatabase(folder / "audit.duckdb", patience=0.3)
    sync(made, record(folder))
    return made


def test_every_table_view_and_column_says_what_it_is(file: AuditDatabase) -> None:
    with duckdb.connect(str(file.path), read_only=True) as plain:
        kinds = (
            ("duckdb_tables()", "table_name"),
            ("duckdb_views()", "view_name"),
            ("duckdb_columns()", "column_name"),
        )
        for source, name in kinds:
            told = plain.execute(f"SELECT {name}, comment FROM {source} WHERE NOT internal").fetchall()
            assert len(told) > 10 and not [what for what, comment in told if not comment]
        [(words,)] = plain.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'evolutions' AND column_name = 'gain_test_low'"
        ).fetchall()
        assert words == "Lower end of the interval of gain_test."


def test_the_dictionary_explains_nothing_that_is_not_there(file: AuditDatabase) -> None:
    said = dictionary()
    columns = rows(file, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal")
    assert said["tables"].keys() == {table for table, _ in columns}
    assert said["columns"].keys() <= {column for _, column in columns}
    assert {(table, column) for table, own in said["columns_of"].items() for column in own} <= set(columns)


def test_every_named_query_is_a_view(file: AuditDatabase) -> None:
    views = {name for (name,) in rows(file, "SELECT view_name FROM duckdb_views() WHERE NOT internal")}
    assert {name.replace("-", "_") for name in named_queries()} <= views
    with duckdb.connect(str(file.path), read_only=True) as plain:
        assert plain.execute("SELECT loop, promoted FROM loops ORDER BY loop").fetchall() == [
            (0, False), (1, True), (2, False),
        ]  # fmt: skip


def test_it_says_what_wrote_it(file: AuditDatabase) -> None:
    [(schema, tool, recent)] = rows(
        file, "SELECT schema_version, tool_version, synced_at > now() - INTERVAL 1 HOUR FROM about"
    )
    assert len(schema) == 16 and tool and recent is True


def test_an_artifact_says_what_made_it_and_of_what(file: AuditDatabase) -> None:
    [row] = rows(
        file,
        "SELECT asset, git_commit, dirty, device, packages->>'torch', inputs->'human'->0->>'version', "
        "finished_at - started_at FROM artifacts WHERE version = 'v-rm-0'",
    )
    assert row[:-1] == ("seed_rm", "c0ffee", True, "a CPU", "2.13", "v-splits")
    assert row[-1].total_seconds() == 5
    assert rows(file, "SELECT git_commit, dirty FROM artifacts WHERE version = 'v-splits'") == [(None, None)]
    assert rows(file, "SELECT count(*) - count(DISTINCT version) FROM artifacts") == [(0,)]


def test_settings_are_json(file: AuditDatabase) -> None:
    assert rows(file, "SELECT settings->'method'->>'select', settings->>'loops' FROM evolutions") == [("status", "3")]
    assert rows(file, "SELECT (thresholds->>'tau_high')::DOUBLE FROM status_reports WHERE loop = 1") == [(0.55,)]


def test_labels_have_their_texts_and_whether_they_are_right(file: AuditDatabase) -> None:
    found = rows(file, "SELECT pair_id, machine, human, correct, kept FROM labels WHERE loop = 1 ORDER BY pair_id")
    expected = []
    for pair, (label, _, kept) in LOOP_1.items():
        human = PAIRS[pair][1]
        expected.append((pair, label, human, None if human is None else human == label, kept))
    assert found == expected
    [(prompt, rm)] = rows(file, "SELECT prompt, rm_version FROM labels WHERE loop = 1 AND pair_id = 'p1'")
    assert (prompt, rm) == ("Question p1?", "v-rm-0")


def test_which_pairs_trained_which_model(file: AuditDatabase) -> None:
    trained = "SELECT pair_id, labelled_by, loop, preferred FROM training_pairs WHERE rm_version = '{}' ORDER BY ALL"
    assert rows(file, trained.format("v-rm-0")) == [("s1", "people", None, "a"), ("s2", "people", None, "b")]
    assert rows(file, trained.format("v-rm-1")) == [
        ("p1", "machine", 1, "a"), ("p2", "machine", 1, "a"), ("p3", "machine", 1, "a"),
        ("s1", "people", None, "a"), ("s2", "people", None, "b"),
    ]  # fmt: skip
    weights = "SELECT DISTINCT target, weight FROM training_pairs WHERE labelled_by = 'machine'"
    assert rows(file, weights) == [(1.0, 1.0)]


def test_a_teacher_was_not_trained_on_the_labels_of_its_fold(tmp_path: Path) -> None:
    run = record(tmp_path)
    summary = {"n_human": 2, "n_pseudo": 3, "random_seed": 7, "steps": 3, "loop": 1}
    model = artifact(
        tmp_path, "loop_1/retrained_rm", "v-rm-1", summary,
        **trained_on("v-filtered-1", start="v-rm-0"), spec={"folds": 2, "left_fold": 0},
    )  # fmt: skip
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, with_artifacts(run, model))
    found = rows(database, "SELECT pair_id FROM training_pairs WHERE rm_version = 'v-rm-1' AND labelled_by = 'machine'")
    kept = [pair for pair, (*_, keep) in LOOP_1.items() if keep]
    assert sorted(pair for (pair,) in found) == [one for one in kept if fold_of(f"dQuestion {one}?", 2) != 0]


def test_controls_were_trained_on_labels_that_loops_cannot_see(tmp_path: Path) -> None:
    run = record(tmp_path)
    vault = {"version": "v-vault", "file": "vault.parquet", "sha256": digest_of("v-vault")}
    inputs = trained_on()["inputs"]
    control = artifact(
        tmp_path, "controls/full_label_rm", "v-full", {"n_human": 9, "random_seed": 7, "steps": 3},
        inputs={**inputs, "human": [*inputs["human"], vault]},
    )  # fmt: skip
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, with_artifacts(run, control))
    found = dict(rows(database, "SELECT pair_id, labelled_by FROM training_pairs WHERE rm_version = 'v-full'"))
    known = {pair for pair, (role, label) in PAIRS.items() if role == "pool" and label}
    assert found == {"s1": "people", "s2": "people", **dict.fromkeys(known, "vault")}


def test_what_a_loop_mends_and_breaks(file: AuditDatabase) -> None:
    # The seed is wrong on t1 and t4, loop 1 on t4 alone.
    found = rows(file, "SELECT model, loop, n, mended, broken, gain FROM gains_over_seed")
    assert found == [("loop_1/retrained_rm", 1, 4, 1, 0, 0.25)]
    [(low, high)] = rows(file, "SELECT gain_low, gain_high FROM gains_over_seed")
    told = rows(file, f"SELECT gain_test_low, gain_test_high FROM evolutions WHERE evolution = '{EVOLUTION}'")
    assert told == [(pytest.approx(low), pytest.approx(high))]


@given(st.text(), st.integers(2, 7))
def test_a_pair_is_in_the_fold_that_training_puts_it_in(unit: str, folds: int) -> None:
    found = _MACROS.execute("SELECT fold_number(?) % ?", [unit, folds]).fetchone()
    assert found == (fold_of(unit, folds),)


_MACROS = duckdb.connect()
apply_schema(_MACROS)


def test_a_pair_was_trained_on_what_reviews_say_of_it(tmp_path: Path) -> None:
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, record(tmp_path))
    asked = "SELECT pair_id, preferred FROM training_pairs WHERE rm_version = 'v-rm-0' ORDER BY pair_id"
    assert rows(database, asked) == [("s1", "a"), ("s2", "b")]
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO human_labels BY NAME SELECT * REPLACE ('b' AS preferred, 'eva' AS annotator, "
            "'review' AS origin) FROM human_labels WHERE pair_id = 's1'"
        )
        connection.execute("UPDATE human_labels SET origin = 'review', preferred = 'a' WHERE pair_id = 's2'")
    assert rows(database, asked) == [("s1", "b"), ("s2", "a")]
