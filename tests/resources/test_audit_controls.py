"""The controls in the audit database: what they are compared with, on which pairs, and whose members are whose."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
from audit_fakes import (
    EVOLUTION,
    LOOP_2,
    Fake,
    artifact,
    behind_a_closed_gate,
    filtered,
    heldout,
    made_of,
    record,
    report_of,
    with_artifacts,
)

from resources.audit.database import AuditDatabase, query
from resources.audit.queries import run_named
from resources.audit.sync import EvolutionRecord, matches_parquet, sync
from resources.reporting.numbers import difference
from resources.reporting.report import render_report
from ser.method.stats import gain

CONTROL, ENSEMBLE = "controls/true_label_rm", "controls/seed_ensemble_rm"
ALWAYS = {"controls/full_label_rm", "controls/half_seed_rm"}
"""Controls that have nothing to do with the loops."""


def selected(version: str) -> dict[str, str]:
    """The pairs that a loop kept, as a manifest names them."""
    return made_of(version, "kept")["inputs"]["kept"]


def again(run: EvolutionRecord, key: str, other: str) -> Fake:
    """The same artifact under another key."""
    return replace(cast(Fake, run.artifacts[key]), key=other)


def with_control(root: Path, wrong: set[str], **changes: Any) -> EvolutionRecord:
    """The fake run with a control that gets these pairs wrong; the seed gets t1 and t4 wrong, loop 1 t4."""
    model = artifact(root, "controls/more_steps_rm", "v-control", {"n_human": 2, "random_seed": 7, "steps": 6})
    scores = heldout(root, "controls/more_steps_rm", "v-held-control", "v-control", wrong)
    return with_artifacts(record(root, **changes), model, scores)


def test_controls_are_compared_with_the_seed_and_the_last_loop(tmp_path: Path) -> None:
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, with_control(tmp_path, {"t1", "t2", "t3"}))
    columns, rows = run_named(database.path, "controls", EVOLUTION)
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert [row["state"] for row in found.values()] == ["not made", "made", *["not made"] * 4]
    made = found["controls/more_steps_rm"]
    assert (made["accuracy"], made["n"], made["loop"], made["rm_version"]) == (0.25, 4, 1, "v-control")
    right, alone = {"seed": "t2 t3", "loop 1": "t1 t2 t3", "control": "t4"}, ["t1", "t2", "t3", "t4"]
    answers = {name: [pair in pairs.split() for pair in alone] for name, pairs in right.items()}
    over_seed = gain(answers["seed"], answers["control"], alone)
    of_loop = gain(answers["control"], answers["loop 1"], alone)
    names = ("", "_low", "_high")
    assert [made[f"seed_gain{name}"] for name in names] == pytest.approx(list(over_seed))
    assert [made[f"loop_gain{name}"] for name in names] == pytest.approx(list(of_loop))
    # Pairs of one group are not so many answers.
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("UPDATE pairs SET tied = 1 WHERE pair_id LIKE 't%'")
    tied = query(database.path, "SELECT loop_gain, loop_gain_low FROM controls WHERE state = 'made'")[1][0]
    assert tied[0] == of_loop.value and tied[1] < of_loop.low
    # It is a model like others, and of the kind control.
    kinds = query(database.path, "SELECT asset, kind, promoted FROM reward_models ORDER BY loop NULLS LAST, asset")[1]
    assert [row for row in kinds if row[1] == "control"] == [("controls/more_steps_rm", "control", False)]
    scored = "SELECT count(*) FROM heldout_scores WHERE rm_version = 'v-control'"
    assert query(database.path, scored)[1] == [(6,)]


def test_naive_self_training_is_one_loop_and_compared_with_the_first(tmp_path: Path) -> None:
    about, naive = {"n_human": 2, "random_seed": 7, "steps": 3}, "controls/naive_self_training_rm"
    run = with_artifacts(
        record(tmp_path),
        artifact(tmp_path, "controls/full_label_rm", "v-control", about),
        heldout(tmp_path, "controls/full_label_rm", "v-held-control", "v-control", {"t1", "t2", "t3"}),
        artifact(tmp_path, f"{naive}.filtered_pairs", "v-all", {"n_kept": 4}, **made_of("v-labels-1", "self_labels")),
        artifact(tmp_path, naive, "v-naive", about),
        heldout(tmp_path, naive, "v-held-naive", "v-naive", {"t1", "t2"}),
        report_of(tmp_path, 2, "1", len(LOOP_2)),
        filtered(tmp_path, 2, LOOP_2),
        artifact(tmp_path, "loop_2/retrained_rm", "v-rm-2", {**about, "n_pseudo": 3, "loop": 2}),
        heldout(tmp_path, "loop_2/retrained_rm", "v-held-2", "v-rm-2", set()),
    )
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, run)
    found = query(database.path, "SELECT loop, loop_gain FROM controls WHERE state = 'made' ORDER BY number")[1]
    assert found == [(2, 0.75), (1, 0.25)]


def test_controls_that_need_the_vault_are_not_offered_without_one(tmp_path: Path) -> None:
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, record(tmp_path, vault=False))
    found = query(database.path, "SELECT control, state FROM controls ORDER BY number")[1]
    unknown = "no human label of the pool is known"
    assert [state for _, state in found] == [unknown, "not made", "not made", unknown, "not made", "not made"]


def test_a_control_that_is_the_very_model_of_a_loop_has_its_scores_once(tmp_path: Path) -> None:
    run = record(tmp_path)
    same = [again(run, f"loop_1/retrained_rm{part}", f"{CONTROL}{part}") for part in ("", ".heldout")]
    labels = artifact(tmp_path, f"{CONTROL}.true_labels", "v-true", inputs={"kept": [selected("v-filtered-1")]})
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, with_artifacts(run, *same, labels))
    scored = "SELECT loop, count(*) FROM heldout_scores WHERE rm_version = 'v-rm-1' GROUP BY loop"
    assert query(database.path, scored)[1] == [(1, 6)]
    gained = "SELECT loop_gain, seed_gain FROM controls WHERE state = 'made'"
    assert query(database.path, gained)[1] == [(0.0, 0.25)]


def test_members_of_the_ensemble_of_seeds_are_stored_with_the_seed(tmp_path: Path) -> None:
    run = record(tmp_path)
    first = run.artifacts["seed_rm"]
    second = artifact(
        tmp_path, "seed_rm/member_1", "v-second", {"n_human": 2, "random_seed": 8, "steps": 3}, seconds=7.0
    )
    both = artifact(tmp_path, ENSEMBLE, "v-both", {"n_human": 2, "random_seed": 7, "members": 2}, seconds=0.5)
    made = {ENSEMBLE: both, f"{ENSEMBLE}/member_0": first, f"{ENSEMBLE}/member_1": second}
    database = AuditDatabase(tmp_path / "audit.duckdb")
    run = replace(run, artifacts={**run.artifacts, **made})
    sync(database, run)
    assert matches_parquet(database, run) == []
    columns = "rm_version, kind, member_of, train_seconds, path"
    rows = query(database.path, f"SELECT {columns} FROM reward_models WHERE rm_version IN "
                 "('v-rm-0', 'v-second', 'v-both') ORDER BY rm_version")[1]  # fmt: skip
    assert rows == [
        ("v-both", "control", None, 27.0, f"artifacts/{ENSEMBLE}/v-both"),
        ("v-rm-0", "seed", None, 20.0, "artifacts/seed_rm/v-rm-0"),
        ("v-second", "control", "v-both", 7.0, "artifacts/seed_rm/member_1/v-second"),
    ]


def test_a_control_of_other_loops_than_there_are_now_is_left_out(tmp_path: Path) -> None:
    """Of loop 1 alone: it was trained for 3 steps after the seed's 3."""

    def left(run: EvolutionRecord) -> set[str]:
        return {key for key in run.without_leftovers().artifacts if key.startswith("controls/") and "judge" not in key}

    model = {"n_human": 2, "random_seed": 7}
    for n, steps, kept in ((2, 6, "v-filtered-1"), (3, 9, "v-filtered-0")):
        run = with_artifacts(
            record(tmp_path),
            artifact(tmp_path, "controls/more_steps_rm", f"v-steps-{n}", model | {"steps": steps}),
            artifact(tmp_path, ENSEMBLE, f"v-both-{n}", model | {"members": n}),
            artifact(tmp_path, f"{ENSEMBLE}/member_1", "v-second", model),
            artifact(tmp_path, CONTROL, f"v-true-rm-{n}", model),
            artifact(tmp_path, f"{CONTROL}.true_labels", f"v-true-{n}", inputs={"kept": [selected(kept)]}),
            artifact(tmp_path, "controls/full_label_rm", "v-full", model),
            artifact(tmp_path, "controls/half_seed_rm", "v-half", model),
        )
        now = {"controls/more_steps_rm", ENSEMBLE, f"{ENSEMBLE}/member_1", CONTROL, f"{CONTROL}.true_labels"}
        assert left(run) == ALWAYS | (now if n == 2 else set())
    closed = behind_a_closed_gate(tmp_path)
    assert left(replace(closed, artifacts={**run.artifacts, **closed.artifacts})) == ALWAYS


def test_a_control_that_other_code_trained_than_the_seed_is_left_out(tmp_path: Path) -> None:
    """What an upgrade changed would stand beside the gains as if it were the control's one change."""
    model = {"n_human": 2, "random_seed": 7, "steps": 6, "members": 2}
    for code, expected in (("now", {"controls/full_label_rm", "controls/more_steps_rm", ENSEMBLE}), ("before", set())):
        run = with_artifacts(
            record(tmp_path),
            artifact(tmp_path, "seed_rm", "v-rm-0", model | {"steps": 3}, code="now"),
            artifact(tmp_path, "controls/full_label_rm", "v-full", model, code=code),
            artifact(tmp_path, "controls/more_steps_rm", "v-control", model, code=code),
            artifact(tmp_path, ENSEMBLE, "v-both", model, code="of the stage that puts members together"),
            *(artifact(tmp_path, f"{ENSEMBLE}/member_{n}", f"v-{n}", model, code=code) for n in range(2)),
        )
        left = run.without_leftovers().artifacts.keys()
        assert {key for key in left if key.startswith("controls/") and key.endswith("_rm")} == expected | {
            "controls/judge_rm"
        }


def test_the_page_has_the_controls_that_are_made_and_says_why_others_are_not(tmp_path: Path) -> None:
    database = AuditDatabase(tmp_path / "audit.duckdb")
    sync(database, record(tmp_path, vault=False))
    assert "The controls" not in render_report(database.path, EVOLUTION)
    sync(database, with_control(tmp_path, {"t1", "t2", "t3"}, vault=False))
    page = " ".join(render_report(database.path, EVOLUTION).split())
    row = ["controls/more_steps_rm", "is it only longer training?", "25.0 %", "4.6 to 69.9"]
    seed, loop, control = ([pair in right for pair in "1234"] for right in ("23", "123", "4"))
    row += [difference(*gain(before, after, list("1234"))) for before, after in ((seed, control), (control, loop))]
    assert row[-2].startswith("−25.0") and row[-1].startswith("+50.0")
    assert f'<th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) in page
    assert "controls/true_label_rm (what would right labels have given?): no human label of the pool is known." in page
    assert "controls/seed_ensemble_rm (is it only ensembling?): not made." in page
