"""What is watched over the loops, against the method's own functions and numbers worked out by hand."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_fakes import (
    EVOLUTION,
    LOOP_1,
    LOOP_2,
    artifact,
    filtered,
    policy,
    record,
    report_of,
    self_labels,
    with_artifacts,
)
from rich.console import Console

from resources.audit.database import AuditDatabase, query
from resources.audit.queries import run_named
from resources.audit.sync import EvolutionRecord, rebuild, sync
from resources.audit.watch import read_watch
from resources.reporting.report import render_report
from resources.reporting.report_data import gather
from resources.reporting.terminal import summary
from resources.reporting.words import promise_words
from resources.settings import Settings
from ser.data import tables
from ser.method.calibration import confidence, expected_calibration_error, fit_temperature
from ser.method.stats import share


def synced(root: Path, run: EvolutionRecord | None = None) -> AuditDatabase:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run or record(root))
    return database


def loop(database: AuditDatabase, k: int) -> dict[str, Any]:
    return next(row for row in read_watch(database.path, EVOLUTION).loops if row["loop"] == k)


def test_test_pairs_are_measured_at_the_temperature_of_the_calibration_pairs(tmp_path: Path) -> None:
    found = loop(synced(tmp_path), 0)
    # The seed RM has t2 and t3 right at confidence 0.8, t1 wrong at 0.8, and t4 wrong at 0.55.
    odds = {at: math.log(at / (1 - at)) for at in (0.8, 0.55)}
    margins = [odds[0.8], odds[0.8], -odds[0.8], -odds[0.55]]
    assert found["ece_test"] == pytest.approx(expected_calibration_error(margins, 1.0))
    by_chance = [(0.75, 0.8, 3), (0.25, 0.55, 1)]  # weight, confidence and pairs of each bin
    expected = sum(weight * math.sqrt(2 / math.pi * c * (1 - c) / n) for weight, c, n in by_chance)
    assert (found["ece_test_by_chance"], found["ece_test_n"]) == (pytest.approx(expected), 4)


def test_calibration_pairs_are_measured_at_a_temperature_of_others(tmp_path: Path) -> None:
    database = synced(tmp_path)
    rows = query(database.path, "SELECT temperature, n, correct, confidence FROM reliability_bins WHERE loop = 0 "
                 "AND split = 'calibration' ORDER BY correct")[1]  # fmt: skip
    # c1 is wrong and c2 right, both by 1: each is told how sure to be by the other.
    assert [row[:3] for row in rows] == [("cross-fitted", 1, 0), ("cross-fitted", 1, 1)]
    assert [row[3] for row in rows] == pytest.approx([confidence(1, fit_temperature([side])) for side in (1, -1)])


def test_labels_that_turn_and_agree(tmp_path: Path) -> None:
    database = synced(tmp_path)
    first, second = loop(database, 1), loop(database, 2)
    assert first["flip_rate"] is first["seed_agreement"] is None
    # Of the five that were labelled twice p5 and p6 turned.
    assert (second["flip_rate"], second["seed_agreement"], second["flip_rate_n"]) == (0.4, 0.6, 5)
    expected = share([1.0, 1.0, 0.0, 0.0, 0.0], list("abcde"))
    assert (second["flip_rate_low"], second["flip_rate_high"]) == pytest.approx(
        (expected["ci_low"], expected["ci_high"])
    )
    # Held-out: t1 and c1 are ranked otherwise than by the seed RM.
    assert first["heldout_agreement"] == pytest.approx(4 / 6)


def test_groups_make_intervals_wider(tmp_path: Path) -> None:
    database = synced(tmp_path)
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("UPDATE pairs SET tied = 1 WHERE pair_id IN ('p5', 'p6')")
    expected = share([1.0, 1.0, 0.0, 0.0, 0.0], list("aabcd"))
    second = loop(database, 2)
    assert (second["flip_rate_low"], second["flip_rate_high"]) == pytest.approx(
        (expected["ci_low"], expected["ci_high"])
    )


def test_how_often_the_longer_response_is_preferred(tmp_path: Path) -> None:
    first = loop(synced(tmp_path), 1)
    # Response a is the longer one of all pool pairs; p1, p2, p3 and p8 are labelled a, and the first three kept.
    assert (first["kept_longer"], first["kept_longer_n"], first["labelled_longer"]) == (1.0, 3, 0.5)
    # Of both seed pairs a is the longer one; people prefer a of s1 and b of s2.
    assert first["seed_longer"] == 0.5


def test_the_drift_of_rewards_is_in_units_of_the_seeds(tmp_path: Path) -> None:
    database = synced(tmp_path)
    with duckdb.connect(str(database.path)) as connection:
        scores = {"v-held-0": {"c1": (1.0, 0.0), "c2": (0.0, 3.0)}, "v-held-1": {"c1": (8.0, 0.0), "c2": (0.0, 0.0)}}
        update = "UPDATE heldout_facts SET reward_a = ?, reward_b = ? WHERE version = ? AND pair_id = ?"
        for version, pairs in scores.items():
            connection.executemany(update, [[*rewards, version, pair] for pair, rewards in pairs.items()])
    first = loop(database, 1)
    seed = math.sqrt(((1 + 1) ** 2 + (-3 + 1) ** 2) / 1)  # margins 1 and -3 about their mean of -1
    assert first["margin_spread"] == pytest.approx(math.sqrt((8 - 4) ** 2 + (0 - 4) ** 2) / seed)
    assert first["reward_shift"] == pytest.approx((2.0 - 1.0) / seed)  # mean rewards 8/4 and 4/4
    assert loop(database, 0)["margin_spread"] == 1.0
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("""UPDATE evolutions SET settings = replace(settings, '"teachers": 1', '"teachers": 3')""")
    # The scales of an ensemble's members make the mean 0, whatever its rewards are.
    assert loop(database, 1) | {"reward_shift": first["reward_shift"]} == first
    assert loop(database, 1)["reward_shift"] is None


def test_labels_that_were_trained_on_are_told_from_the_others(tmp_path: Path) -> None:
    """The whole pool is labelled again: p1, p2 (right) and p3 (wrong) were kept in loop 1."""
    again = {**LOOP_1, **LOOP_2}
    run = with_artifacts(
        record(tmp_path), self_labels(tmp_path, 2, again, "v-rm-1", "v-labels-whole"),
        filtered(tmp_path, 2, again, "v-filtered-whole", of="v-labels-whole"),
        report_of(tmp_path, 2, "1", len(again), "v-status-whole", of="v-labels-whole"),
    )  # fmt: skip
    database = synced(tmp_path, run)
    second = loop(database, 2)
    assert (second["trained_precision"], second["trained_precision_n"]) == (pytest.approx(2 / 3), 3)
    assert second["trained_confidence"] == pytest.approx((0.95 + 0.91 + 0.85) / 3)
    # p4 and p5 are right, p6 and p7 wrong; of p8 nobody knows.
    assert (second["untrained_precision"], second["untrained_precision_n"]) == (0.5, 4)
    assert second["untrained_confidence"] == pytest.approx((0.70 + 0.61 + 0.62 + 0.53) / 4)
    assert loop(database, 1)["trained_precision"] is None


@pytest.mark.parametrize(
    ("method", "trained"),
    [
        ({"student": "fresh"}, ["p1", "p2", "p3", "p4"]),
        ({"replay": "latest"}, ["p1", "p2", "p3", "p4"]),
        ({"student": "fresh", "replay": "latest"}, ["p4"]),
    ],
)
def test_labels_of_all_loops_before_were_trained_on_where_models_go_on_or_replay_them(
    tmp_path: Path, method: dict[str, Any], trained: list[str]
) -> None:
    """Loop 1 kept p1, p2 (right) and p3 (wrong), loop 2 p4 (right)."""
    again = {pair: (label, sure, pair == "p4") for pair, (label, sure, _) in {**LOOP_1, **LOOP_2}.items()}
    training = {"n_human": 2, "n_pseudo": 1, "random_seed": 7, "steps": 3}
    run = with_artifacts(
        record(tmp_path, settings=Settings(method=method)),
        self_labels(tmp_path, 2, again, "v-rm-1", "v-labels-whole"),
        filtered(tmp_path, 2, again, "v-filtered-whole", of="v-labels-whole"),
        report_of(tmp_path, 2, "1", len(again), "v-status-whole", of="v-labels-whole"),
        artifact(tmp_path, "loop_2/retrained_rm", "v-rm-2", training),
        self_labels(tmp_path, 3, again, "v-rm-2"),
        report_of(tmp_path, 3, "converged", len(again)),
    )
    third = read_watch(synced(tmp_path, run).path, run.evolution).loops[3]
    right = {"p1": 1, "p2": 1, "p3": 0, "p4": 1}
    assert (third["trained_precision"], third["trained_precision_n"]) == (
        pytest.approx(sum(right[pair] for pair in trained) / len(trained)),
        len(trained),
    )
    assert third["untrained_precision_n"] == 7 - len(trained)


def test_kept_rates_are_tested_at_effective_sizes(tmp_path: Path) -> None:
    database = synced(tmp_path)
    many(database, 120, kept=lambda k: k % 4 == 0 or k % 3 == 0)
    [(degrees, chi_square, differs, least, most)] = query(
        database.path, "SELECT degrees, chi_square, differs, kept_least, kept_most FROM selection_tests "
        "WHERE loop = 1 AND dimension = 'domain'")[1]  # fmt: skip
    # Sources s0 and s1 alternate: of s0 40 of 60 are kept, of s1 20 of 60; the few of the fake pairs are left out.
    p = (60 + 3) / (120 + 8)
    expected = sum(60 * (k / 60 - p) ** 2 / (p * (1 - p)) for k in (40, 20))
    assert degrees == 1
    assert (chi_square, least, most) == (pytest.approx(expected, rel=0.02), pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert differs == pytest.approx(((chi_square ** (1 / 3)) - (1 - 2 / 9)) / math.sqrt(2 / 9))
    assert loop(database, 1)["source_differs"] == pytest.approx(differs)


def many(database: AuditDatabase, n: int, kept: Callable[[int], bool], words: str = "same") -> None:
    """Put `n` more pairs into the pool of loop 1, from the sources s0 and s1."""
    with duckdb.connect(str(database.path)) as connection:
        for k in range(n):
            texts = [f"What is {k} and {k * 7}?", f"{words} {k % 13} {k % 11}", f"it {k % 7}"]
            connection.execute(
                "INSERT INTO pairs SELECT ?, 'sample', ?, ?, ?, ?, NULL, now(), 1, md5_number_lower(?), 0",
                [f"m{k}", *texts, f"s{k % 2}", f"m{k}"],
            )
            connection.execute("INSERT INTO role_facts VALUES ('v-splits', '', ?, 'pool', false)", [f"m{k}"])
            connection.execute(
                "INSERT INTO self_label_facts BY NAME SELECT f.* REPLACE (? AS pair_id, ? AS kept) "
                "FROM self_label_facts f WHERE labels = 'v-labels-1' AND pair_id = 'p1'",
                [f"m{k}", kept(k)],
            )


def test_the_vocabulary_is_counted_over_as_many_words_of_each_answer(tmp_path: Path) -> None:
    run, [made, judged] = record(tmp_path), policy(tmp_path)
    rows = list(tables.read(judged.path / "judged.parquet"))
    for row in rows:
        row["base_response"], row["policy_response"] = "One two, three? Vier 五", "yes yes YES yes and more and more"
    tables.write(judged.path / "judged.parquet", tables.pq.read_schema(judged.path / "judged.parquet"), rows)
    first = loop(synced(tmp_path, with_artifacts(run, made, judged)), 1)
    assert first["base_vocabulary"] == pytest.approx(5) and first["compared_words"] == 20
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))  # "yes" four times of five
    assert first["policy_vocabulary"] == pytest.approx(math.exp(entropy))
    assert (first["base_distinct_2"], first["policy_distinct_2"]) == (4 / 16, 2 / 16)
    assert (first["base_words"], first["policy_words"]) == (5, 8)


def unlike(database: AuditDatabase) -> None:
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("UPDATE shift_facts SET auc = 0.83, ci_low = 0.79, ci_high = 0.87")


def test_a_pool_that_is_unlike_what_people_labelled_weakens_the_words(tmp_path: Path) -> None:
    database = synced(tmp_path)
    before = gather(database.path, EVOLUTION)
    assert before.unlike_pool == "" and "unlike" not in render_report(database.path, EVOLUTION)
    unlike(database)
    found = gather(database.path, EVOLUTION)
    assert "(AUC 0.83, 0.5 is a coin)" in found.unlike_pool
    html = render_report(database.path, EVOLUTION)
    assert "The human-labelled pairs are unlike the pool" in html and "0.83 (0.79 to 0.87)" in html
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    console.print(summary(database.path, EVOLUTION))
    assert "promise less" in console.export_text()
    assert promise_words(found) == ""  # recipe paper promises no precision
    found.evolution["settings"]["method"]["select"] = "calibrated"
    assert "the pool's are not" in promise_words(found)


def test_what_is_derived_is_fitted_once_and_again_by_a_rebuild(tmp_path: Path) -> None:
    database, run = synced(tmp_path), record(tmp_path)
    facts = "SELECT * FROM temperature_facts ORDER BY ALL", "SELECT * FROM shift_facts"
    before = [query(database.path, sql)[1] for sql in facts]
    assert before[1] == [("v-splits", "", 8, 8, None, None, None)]
    unlike(database)
    sync(database, run)
    assert query(database.path, facts[1])[1][0][4] == 0.83
    rebuild(database.path, [run])
    assert [query(database.path, sql)[1] for sql in facts] == before


def test_enough_pairs_are_compared_and_the_largest_differences_shown(tmp_path: Path) -> None:
    database = synced(tmp_path)
    many(database, 120, kept=lambda k: True)
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("UPDATE role_facts SET role = 'test' WHERE pair_id LIKE 'm%' AND hash(pair_id) % 2 = 0")
        connection.execute("UPDATE pairs SET response_b = 'nothing like it' WHERE pair_id IN "
                           "(SELECT pair_id FROM role_facts WHERE role = 'test')")  # fmt: skip
        connection.execute("DELETE FROM shift_facts")
    sync(database, record(tmp_path))
    columns, rows = run_named(database.path, "shift", EVOLUTION)
    first = dict(zip(columns, rows[0], strict=True))
    assert first["value"] > 0.9 and first["ci_low"] > 0.8 and first["n_human"] + first["n_pool"] == 16 + 120
    assert read_watch(database.path, EVOLUTION).shift["auc"] == first["value"]  # type: ignore[index]


def test_the_page_has_a_row_a_loop(tmp_path: Path) -> None:
    database = synced(tmp_path)
    html = render_report(database.path, EVOLUTION)
    section = html[html.index("Watch over the loops") : html.index("Loop 1: what was kept")]
    assert "No sign of drift is beyond its limit." in section
    for measure, loop_2 in (("labels turned", "40.0 %"), ("labels as the seed RM", "60.0 %")):
        assert f'<th scope="row">{measure}</th><td>–</td><td>–</td><td>{loop_2}</td>' in section
    row = '<th scope="row">seed</th><td>test</td><td>80 % to 85 %</td><td>3</td><td>80.0 %</td><td>66.7 %</td>'
    assert row in html
    assert "of the human seed labels 50.0 %" in section and "<svg" in section
    columns, rows = run_named(database.path, "watch", EVOLUTION)
    assert [row[0] for row in rows] == [0, 1, 2] and "untrained_confidence" in columns
