"""`ser status`: how far every evolution came, when, why not further, and what it is worth."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources import asset_keys as keys
from resources.audit.database import AuditDatabase
from resources.evolution import Evolution
from resources.locks import own_evolution
from ser.errors import SerError
from ser_dagster import dead_runs, last_runs
from ser_dagster.cli import main
from ser_dagster.commands import status as module
from ser_dagster.commands.status import status
from ser_dagster.dagster_instance import instance
from tests import chain
from tests.evolution_fakes import POLICY, SEED, begin, config, evolution, job, loop, make, report, tags
from tests.pairs import labelled_rows, write_jsonl

HALF = [*SEED, *loop(1)]
WHOLE = [*HALF, *loop(2), keys.EVOLVED_RM]
NEXT = keys.self_labels(2)
STEP = "loop_2__self_labels"
SUCCESS = dg.DagsterEventType.RUN_SUCCESS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root that the tests share, without a model."""
    folder = tmp_path_factory.mktemp("project")
    with chain.project(folder, "", folder / "no-model") as (root, _):
        yield root


@dataclass
class Told:
    """What the command says of evolutions, by their names."""

    rows: dict[str, dict[str, Any]]
    lines: dict[str, list[str]]

    def state(self, name: str) -> tuple[Any, ...]:
        return tuple(self.rows[name][field] for field in ("state", "at", "why"))


def ask(capsys: pytest.CaptureFixture[str]) -> Told:
    assert main(["status", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["evolutions"]}
    assert main(["status"]) == 0
    blocks = capsys.readouterr().out.split("evolution ")[1:]
    lines = {block.splitlines()[1].strip().partition(",")[0]: block.splitlines() for block in blocks}
    return Told(rows, lines)


def test_a_fresh_data_root_is_told_what_to_do_first_and_left_as_it_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "ser demo " in out and "ser land FILE --dataset NAME " in out
    assert max(map(len, out.splitlines())) <= 80
    assert not root.exists()


class Projects:
    """Evolutions of one snapshot, each under a random seed of its own."""

    def __init__(self, root: Path, snapshot: str):
        self.root, self.snapshot, self.number = root, snapshot, 0

    def make(self, name: str, made: list[str]) -> Evolution:
        self.number += 1
        work = evolution(self.root, self.snapshot, name, random_seed=self.number)
        make(work, made)
        return work


@pytest.fixture(scope="module")
def executed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Evolutions whose last executions ended in every way."""
    pairs = write_jsonl(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", labelled_rows(3))
    projects = Projects(root, chain.land(root, pairs))
    (root / "dagster").mkdir()
    with dg.DagsterInstance.ephemeral() as current, ExitStack() as owned, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dead_runs, "LOOK_AGAIN", 0.0)
        patch.setattr(last_runs, "instance", lambda: nullcontext(current))  # files would cost a second an execution
        begin(current, projects.make("found dead", HALF), "loop_2__status_report")
        assert len(dead_runs.fail_ownerless_runs(current)) == 1
        begin(current, projects.make("gone", HALF), "loop_2__status_report")
        canceled = begin(current, projects.make("canceled", WHOLE), "controls__judge_rm")
        current.report_run_canceled(canceled)
        report(current, begin(current, projects.make("handed over", HALF), loops=1), SUCCESS)
        report(current, begin(current, projects.make("no policy", WHOLE)), SUCCESS)
        projects.make("unheard of", HALF)
        failed = projects.make("failed", HALF)
        fail(current, failed, STEP, SerError("no room.\nFree some."))
        report(current, begin(current, failed, what=job("audit_after_failure", "report")), SUCCESS)
        fail(current, projects.make("failed later", WHOLE), "controls__full_label_rm", SerError("no labels"))
        fail(current, projects.make("interrupted", HALF), STEP, dg.DagsterExecutionInterruptedError())
        whole = projects.make("whole", WHOLE + POLICY)
        report(current, begin(current, whole), SUCCESS)
        add_gain(root, whole.identity)
        running, other = projects.make("running", HALF), projects.make("promoting", HALF)
        owned.enter_context(own_evolution(root, running.identity, begin(current, running, STEP).run_id))
        owned.enter_context(own_evolution(root, other.identity, "ser promote"))
        yield


def fail(current: dg.DagsterInstance, work: Evolution, step: str, error: BaseException) -> None:
    failing = job("ser_run", step, error)
    failing.execute_in_process(instance=current, tags=tags(work), run_config=config(), raise_on_error=False)


def add_gain(root: Path, evolution: str) -> None:
    """What the audit database says of an evolution that gained 2.5 points, whose pool is unlike its labelled pairs."""
    with AuditDatabase(root / "audit.duckdb").writing() as connection:
        connection.execute(
            "INSERT INTO evolutions BY NAME SELECT ? AS evolution, 'x' AS snapshot, 'x' AS dataset, 'x' AS recipe, "
            "'x' AS settings_digest, '{}' AS settings, 'x' AS preset, 'x' AS backbone, 0 AS random_seed, 0 AS draw, "
            "'finished' AS state, 0.025 AS gain_test, -0.01 AS gain_test_low, 0.06 AS gain_test_high",
            [evolution],
        )
        connection.execute(
            "INSERT INTO evolution_artifacts BY NAME SELECT ? AS evolution, 'splits' AS asset, 'v' AS version, "
            "true AS current",
            [evolution],
        )
        connection.execute("INSERT INTO shift_facts VALUES ('v', '', 90, 90, 0.83, 0.79, 0.87)")


def test_every_state_is_told_from_the_others(executed: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = ask(capsys)
    assert {name: told.state(name) for name in told.rows} == {
        "found dead": ("stopped", "loop_2/status_report", None),
        "gone": ("stopped", "loop_2/status_report", None),
        "canceled": ("stopped", keys.JUDGE_RM, None),
        "handed over": ("stopped_as_asked", NEXT, None),
        "no policy": ("done", None, None),
        "unheard of": ("stopped", NEXT, None),
        "failed": ("failed", NEXT, "no room.\nFree some."),
        "failed later": ("done", "controls/full_label_rm", "no labels"),
        "interrupted": ("stopped", NEXT, None),
        "whole": ("done", None, None),
        "running": ("running", NEXT, None),
        "promoting": ("running", None, None),
    }
    ended = {name for name, row in told.rows.items() if row["ended_at"]}
    assert set(told.rows) - ended == {"gone", "unheard of", "running", "promoting"}
    assert all(row["ended_at"] is None or row["ended_at"] > row["executed_at"] for row in told.rows.values())

    said = {name: lines[2].strip() for name, lines in told.lines.items()}
    begun = told.rows["gone"]["executed_at"][:8]
    assert said["gone"].startswith(f"stopped at loop_2/status_report, last execution begun {begun}")
    assert said["canceled"].startswith(f"stopped at controls/judge_rm, {begun}")
    assert said["handed over"].startswith(f"stopped after loop 1, as asked, {begun}")
    assert said["failed"].startswith(f"failed at loop_2/self_labels, {begun}")
    assert said["failed"].endswith(" UTC: no room. Free some.")
    assert said["failed later"].endswith(", but the last execution failed at controls/full_label_rm: no labels")
    assert said["running"].startswith(f"running since {begun}") and said["running"].endswith(
        " UTC, in loop_2/self_labels"
    )


def test_a_finished_one_says_what_was_promoted_and_what_it_is_worth_in_whole_lines(
    executed: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = ask(capsys)
    row = told.rows["whole"]
    assert (row["promoted_loop"], row["verdict"], row["win_rate"]) == (2, "shown", 0.5)
    assert row["gain"] == {"value": 0.025, "low": -0.01, "high": 0.06}
    assert told.rows["no policy"]["gain"] is told.rows["failed"]["gain"] is None
    assert told.lines["whole"][:2] == [row["evolution"], f"  whole, recipe paper, {len(WHOLE + POLICY)} artifacts"]
    assert told.lines["whole"][3:] == [
        "  promoted: loop 2; the last loop is shown to be better",
        "  loop 2 gains +2.5 (−1.0 to +6.0) points over the seed on test pairs (95 % interval)",
        f"  {row['unlike_pool']}",
        "  win rate of the policy 50.0 %",
    ]
    assert "(AUC 0.83, 0.5 is a coin)" in row["unlike_pool"] and told.rows["no policy"]["unlike_pool"] is None


def test_the_store_is_looked_through_when_asked(executed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert "store" not in status() and status(store=True)["store"]["artifacts"] > 0
    assert main(["status", "--store"]) == 0
    assert "records of pruned artifacts" in capsys.readouterr().out


@pytest.mark.parametrize("broken", ["absent", "dagster.yaml", "history/runs.db"])
def test_without_dagsters_storage_everything_else_is_told(
    executed: None, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setattr(last_runs, "instance", instance)
    if broken != "absent":
        (home / broken).parent.mkdir(parents=True)
        (home / broken).write_text("telemetri: {\n")
    found = status()
    rows = {row["name"]: row for row in found["evolutions"]}
    assert [rows[name]["state"] for name in ("whole", "failed", "running")] == ["done", "stopped", "running"]
    (unknown,) = found["unknown"]
    assert unknown.startswith(f"When an execution ended, and why it failed, is not known: {home}: ")
    assert home.exists() is (broken != "absent")


def test_while_the_audit_is_written_the_gain_is_not_told(
    executed: None, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with AuditDatabase(root / "audit.duckdb").writing():
        found = status()
    assert {row["name"]: row["gain"] for row in found["evolutions"]}["whole"] is None
    assert found["unknown"][0].startswith("Gains on test pairs are not known: ")
