"""The views, against numbers worked out by hand from the fake run."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_fakes import EVOLUTION, made_of, record, with_artifacts
from hypothesis import given
from hypothesis import strategies as st

from resources.audit import database as database_module
from resources.audit.database import AuditDatabase, query
from resources.audit.queries import run_named
from resources.audit.sync import sync
from ser.method.stats import gain, share, wilson

macros = duckdb.connect()
macros.execute((Path(database_module.__file__).parent / "macros.sql").read_text())


def view(root: Path, sql: str, vault: bool = True) -> list[tuple[Any, ...]]:
    database = AuditDatabase(root / "audit.duckdb")
    if not database.path.exists():
        sync(database, record(root, vault=vault))
    return query(database.path, sql)[1]


def test_label_history(tmp_path: Path) -> None:
    assert view(tmp_path, "SELECT pair_id, loops, labels, confidences, rm_versions, kept_in_loop, n_flips, vault "
                "FROM label_history WHERE pair_id IN ('p1', 'p5', 'p8') ORDER BY 1") == [
        ("p1", [1], ["a"], [0.95], ["v-rm-0"], 1, 0, "a"),
        ("p5", [1, 2], ["b", "a"], [0.66, 0.61], ["v-rm-0", "v-rm-1"], None, 1, "a"),
        ("p8", [1, 2], ["a", "a"], [0.52, 0.51], ["v-rm-0", "v-rm-1"], None, 0, None),
    ]  # fmt: skip
    assert view(tmp_path, "SELECT count(*), count(DISTINCT pair_id) FROM label_history") == [(8, 8)]


def test_label_flips(tmp_path: Path) -> None:
    columns = "pair_id, from_loop, loop, from_preferred, preferred, vault, change"
    assert view(tmp_path, f"SELECT {columns} FROM label_flips ORDER BY 1") == [
        ("p5", 1, 2, "b", "a", "a", "mended"),
        ("p6", 1, 2, "b", "a", "b", "broken"),
    ]


def test_label_precision_against_the_vault(tmp_path: Path) -> None:
    columns = "confidence_from, confidence_to, n_labels, measured_on, n, correct, precision"
    # p7 is wrong and p8 unknown; p5 wrong, p6 right; p4 right; p3 wrong; p1 and p2 right.
    assert view(tmp_path, f"SELECT {columns} FROM label_precision WHERE loop = 1 AND labels = 'all' ORDER BY 1") == [
        (0.5, 0.6, 2, "vault", 1, 0, 0.0),
        (0.6, 0.7, 2, "vault", 2, 1, 0.5),
        (0.7, 0.8, 1, "vault", 1, 1, 1.0),
        (0.8, 0.9, 1, "vault", 1, 0, 0.0),
        (0.9, 1.0, 2, "vault", 2, 2, 1.0),
    ]
    kept = view(tmp_path, "SELECT confidence_from, n, correct, ci_low, ci_high FROM label_precision "
                "WHERE labels = 'kept' ORDER BY ALL")  # fmt: skip
    assert [row[:3] for row in kept] == [(0.8, 1, 0), (0.9, 2, 2)]
    for _, n, correct, low, high in kept:
        assert (low, high) == pytest.approx(wilson(correct, n))


def test_what_reviewers_say_later_does_not_count_as_the_vault(tmp_path: Path) -> None:
    before = view(tmp_path, "SELECT * FROM label_precision ORDER BY ALL")
    with duckdb.connect(str(tmp_path / "audit.duckdb")) as connection:
        connection.execute("INSERT INTO human_labels SELECT pair_id, CASE preferred WHEN 'a' THEN 'b' ELSE 'a' END, "
                           "unnest(['bob', 'eve']), 'review', labelled_at, dataset FROM human_labels "
                           "WHERE pair_id LIKE 'p%'")  # fmt: skip
    assert view(tmp_path, "SELECT * FROM label_precision ORDER BY ALL") == before
    assert view(tmp_path, "SELECT vault FROM label_history WHERE pair_id = 'p1'") == [("a",)]


def test_label_precision_where_nobody_knows_the_pool(tmp_path: Path) -> None:
    columns = "loop, confidence_from, n_labels, measured_on, n, correct, precision"
    sql = f"SELECT {columns} FROM label_precision WHERE labels = 'all' ORDER BY ALL"
    # The seed RM (which labels loop 1) has t4 at 0.55 wrong, and at 0.8 t1 and c1 wrong of five held-out pairs.
    assert view(tmp_path, sql, vault=False)[:5] == [
        (1, 0.5, 2, "heldout", 1, 0, 0.0),
        (1, 0.6, 2, "heldout", 0, 0, None),
        (1, 0.7, 1, "heldout", 0, 0, None),
        (1, 0.8, 1, "heldout", 5, 3, 0.6),
        (1, 0.9, 2, "heldout", 0, 0, None),
    ]
    # Loop 2 is labelled by the RM of loop 1, which has only t4 wrong.
    assert view(tmp_path, f"{sql} LIMIT 1 OFFSET 5") == [(2, 0.5, 2, "heldout", 1, 0, 0.0)]
    assert view(tmp_path, "SELECT label_precision, label_ci_low, label_measured_on FROM loop_summary "
                "WHERE loop = 1") == [(0.6, None, "heldout")]  # fmt: skip


def test_selection_bias(tmp_path: Path) -> None:
    columns = "value, n, n_kept, kept_rate"
    # Pool pairs stand at odd and even places: cooking has p2, p4, p6, p8; travel p1, p3, p5, p7.
    assert view(tmp_path, f"SELECT {columns} FROM selection_bias WHERE loop = 1 AND dimension = 'domain' "
                "ORDER BY 1") == [("cooking", 4, 1, 0.25), ("travel", 4, 2, 0.5)]  # fmt: skip
    # "Answer pN " + 5 characters a place, less the 8 of "Reply pN"; labels `b` turn the sign.
    assert view(tmp_path, f"SELECT {columns} FROM selection_bias WHERE loop = 1 AND dimension <> 'domain' "
                "ORDER BY 1") == [
        ("Q1: -72 to -67 characters", 2, 0, 0.0),
        ("Q2: -62 to -57 characters", 2, 0, 0.0),
        ("Q3: 42 to 47 characters", 2, 2, 1.0),
        ("Q4: 52 to 77 characters", 2, 1, 0.5),
    ]  # fmt: skip


def test_loop_summary(tmp_path: Path) -> None:
    columns = ("loop, status, n_pool, n_kept, rm_version, test_accuracy, test_n, calibration_accuracy, "
               "label_precision, label_measured_on, train_seconds, seconds, promoted")  # fmt: skip
    # Seconds of loop 1: labels 1.5, status 1.5, filter 1.5, training 5, held-out scores 0.5.
    assert view(tmp_path, f"SELECT {columns} FROM loop_summary ORDER BY loop") == [
        (0, None, None, None, "v-rm-0", 0.5, 4, 0.5, None, None, 20.0, 20.5, False),
        (1, "1", 8, 3, "v-rm-1", 0.75, 4, 1.0, 2 / 3, "vault", 5.0, 10.0, True),
        (2, "converged", 5, 0, None, None, None, None, None, None, None, 3.0, False),
    ]
    intervals = view(tmp_path, "SELECT test_ci_low, test_ci_high, label_ci_low, label_ci_high FROM loop_summary "
                     "WHERE loop = 1")[0]  # fmt: skip
    assert intervals == pytest.approx((*wilson(3, 4), *wilson(2, 3)))


def win_rates(database: AuditDatabase) -> dict[str, float | None]:
    columns, found = run_named(database.path, "policy", EVOLUTION)
    version, rate = columns.index("policy_version"), columns.index("win_rate")
    return {row[version]: row[rate] for row in found}


def test_a_policy_that_was_trained_before_is_superseded(tmp_path: Path) -> None:
    database, run = AuditDatabase(tmp_path / "audit.duckdb"), record(tmp_path)
    earlier = replace(run.artifacts["ppo_policy"], version="v-ppo-64")
    judged = replace(run.artifacts["policy_evaluation"], version="v-eval-64", manifest=made_of("v-ppo-64", "policy"))
    sync(database, with_artifacts(run, earlier, judged))
    assert win_rates(database) == {"v-ppo-64": 0.625}
    sync(database, run)
    assert win_rates(database) == {"v-ppo": 0.625}


def test_a_promoted_policy_that_was_made_on_demand_before_has_its_win_rate(tmp_path: Path) -> None:
    database, run = AuditDatabase(tmp_path / "audit.duckdb"), record(tmp_path)
    on_demand = replace(run.artifacts["ppo_policy"], key="loop_1/ppo_policy")
    other = replace(run.artifacts["ppo_policy"], key="loop_0/ppo_policy", version="v-ppo-0")
    sync(database, replace(run, artifacts={one.key: one for one in (other, on_demand, *run.artifacts.values())}))
    assert win_rates(database) == {"v-ppo-0": None, "v-ppo": 0.625}


def test_the_sql_interval_is_the_python_interval(tmp_path: Path) -> None:
    found = view(tmp_path, "SELECT k, n, wilson_low(k, n), wilson_high(k, n) FROM range(0, 40, 3) t(n), "
                 "range(0, 40) s(k) WHERE k <= n")  # fmt: skip
    assert len(found) > 200
    for k, n, low, high in found:
        assert (low, high) == pytest.approx(wilson(k, n), abs=1e-12)


GROUPED = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40)


@given(GROUPED)
def test_the_sql_interval_of_grouped_answers_is_the_python_interval(answers: list[tuple[bool, int]]) -> None:
    """Pairs that are alone in their group are counted together (tied is NULL), as in the views."""
    sizes = Counter(group for _, group in answers)
    rows = [(int(right), group if sizes[group] > 1 else None) for right, group in answers]
    wanted = share([float(right) for right, _ in answers], [str(group) for _, group in answers])
    with macros.cursor() as connection:
        connection.execute("CREATE OR REPLACE TEMP TABLE answers (correct INTEGER, tied UBIGINT)")
        if rows:
            connection.executemany("INSERT INTO answers VALUES (?, ?)", rows)
        n, low, high = connection.execute(
            "WITH grouped AS (SELECT tied, count(*) AS n, sum(correct) AS k FROM answers GROUP BY tied), "
            "one AS (SELECT coalesce(sum(n), 0) AS n, coalesce(sum(k), 0) AS k, "
            "coalesce(tied_effect(tied, k, n), 1) AS effect FROM grouped) "
            "SELECT n / effect, wilson_low(k / effect, n / effect), wilson_high(k / effect, n / effect) FROM one"
        ).fetchall()[0]
    assert n == pytest.approx(wanted["n_effective"])
    assert (low, high) == pytest.approx((wanted["ci_low"], wanted["ci_high"]))


def test_the_views_allow_for_groups(tmp_path: Path) -> None:
    alone = view(tmp_path, "SELECT label_precision, label_ci_low, label_ci_high FROM loop_summary WHERE loop = 1")[0]
    with duckdb.connect(str(tmp_path / "audit.duckdb")) as connection:
        connection.execute("UPDATE pairs SET tied = 1 WHERE pair_id IN ('p1', 'p2')")
    # Kept: p1 and p2 are right and of one group, p3 is wrong.
    known = share([1.0, 1.0, 0.0], ["one", "one", "other"])
    kept = view(tmp_path, "SELECT label_precision, label_ci_low, label_ci_high FROM loop_summary WHERE loop = 1")[0]
    assert kept == pytest.approx((known["value"], known["ci_low"], known["ci_high"]))
    assert kept[0] == alone[0] and kept[1] < alone[1] and kept[2] > alone[2]
    confident = "SELECT n, n_effective, ci_low FROM label_precision WHERE labels = 'kept' AND confidence_from > 0.85"
    both = share([1.0, 1.0], ["one", "one"])
    assert view(tmp_path, confident)[0] == pytest.approx((2, 1.0, both["ci_low"]))
    # Of the pairs from travel p1 and p3 are kept, p5 and p7 are not; of cooking only p2.
    with duckdb.connect(str(tmp_path / "audit.duckdb")) as connection:
        connection.execute("UPDATE pairs SET tied = 2 WHERE pair_id IN ('p1', 'p3')")
    travel = share([1.0, 1.0, 0.0, 0.0], ["one", "one", "p5", "p7"])
    bias = "SELECT n, n_effective, ci_low, ci_high FROM selection_bias WHERE loop = 1 AND value = 'travel'"
    assert view(tmp_path, bias)[0] == pytest.approx((4, travel["n_effective"], travel["ci_low"], travel["ci_high"]))


CHANGED = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=40)


@given(CHANGED)
def test_the_sql_gain_is_the_python_gain(answers: list[tuple[bool, bool, int]]) -> None:
    sizes = Counter(group for *_, group in answers)
    rows = [(before, after, group if sizes[group] > 1 else None) for before, after, group in answers]
    wanted = gain(*([row[k] for row in answers] for k in (0, 1)), [str(group) for *_, group in answers])
    with macros.cursor() as connection:
        connection.execute("CREATE OR REPLACE TEMP TABLE answers (before BOOLEAN, after BOOLEAN, tied UBIGINT)")
        connection.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
        found = connection.execute(
            "WITH grouped AS (SELECT tied, count(*) AS n, count(*) FILTER (after AND NOT before) AS up, "
            "count(*) FILTER (before AND NOT after) AS down FROM answers GROUP BY tied), "
            "one AS (SELECT sum(n) AS n, sum(up) AS up, sum(down) AS down, "
            "tied_mean_effect(tied, up - down, up + down, n) AS effect FROM grouped) "
            "SELECT (up - down) / n, gain_low(up, down, n, effect), gain_high(up, down, n, effect) FROM one"
        ).fetchall()[0]
    assert found == pytest.approx(tuple(wanted))
