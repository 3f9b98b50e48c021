"""A seed RM that is not shown to be better than a coin ends the run with a result, unless it is to go on anyway."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from resources.audit.database import AuditDatabase
from resources.audit.sync import matches_parquet
from resources.evolution import Evolution
from ser_dagster.cli import main
from tests import chain
from tests.assets.test_on_demand import on_demand
from tests.pairs import labelled_rows, write_jsonl


class Closed(NamedTuple):
    """A run that ended at the gate."""

    result: dg.ExecuteInProcessResult
    work: Evolution


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Closed]:
    """A run on labels that a coin gave; the environment is that of the commands."""
    folder = tmp_path_factory.mktemp("project")
    wanted = "[controls]\nmore_steps = true\nnaive_self_training = true\ntrue_label = true\nseed_ensemble = true\n"
    settings = f"loops = 1\n{wanted}[thresholds]\nn_min = 5\ntau_high = 0.501\ntau_low = 0.499\n" + chain.SETTINGS
    with chain.project(folder, settings, tiny_backbone) as (root, _):
        rows = labelled_rows(300, noise=0.5)
        snapshot = chain.land(root, write_jsonl(folder / "pairs.jsonl", rows))
        yield Closed(*chain.materialize(root, snapshot))


def ser(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a command that succeeds prints."""
    assert main(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def audit(capsys: pytest.CaptureFixture[str], sql: str) -> list[dict[str, Any]]:
    return json.loads(ser(capsys, "audit", "--sql", sql, "--format", "json"))


def test_nothing_fails_and_what_stands_behind_the_gate_is_skipped(closed: Closed) -> None:
    result = closed.result
    assert result.success and not [event for event in result.all_events if event.is_failure or event.is_step_failure]
    found = chain.outcomes(result)
    made = {key for key, outcome in found.items() if outcome == "made"}
    assert made == {
        "landed_pairs", "splits", "vault", "backbone", "encoded_pairs", "seed_rm", "evolved_rm", "audit_sync", "report",
    }  # fmt: skip
    skipped = ["loop_1/status_report", "loop_1/filtered_pairs", "loop_1/retrained_rm", "policy_evaluation"]
    assert [found[key] for key in skipped] == ["skipped"] * 4
    assert not (closed.work.root / "artifacts" / "controls").exists()
    assert found["controls/naive_self_training_rm"] == "skipped"
    passed = chain.checks(result)
    assert not passed["seed_rm:shown_better_than_a_coin"]
    assert passed["audit_sync:audit_equals_parquet"]


def test_the_command_gives_the_gate_and_the_verdict(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    done = json.loads(ser(capsys, "run", "--json"))
    assert (done["verdict"], done["reused"], done["policy"], done["promoted"]["loop"]) == (
        "gate_not_shown", True, None, 0,
    )  # fmt: skip
    gate = done["gate"]
    assert set(gate) == {"shown", "accuracy", "ci_low", "ci_high", "n", "needed", "words"}
    assert not gate["shown"] and gate["ci_low"] <= 0.5 <= gate["ci_high"]
    assert gate["words"].startswith(f"not shown to be better than a coin with {gate['n']} calibration pairs (")
    assert done["promoted"]["why"] == f"no loop was run: the seed RM is {gate['words']}"
    assert [(row["loop"], row["status"]) for row in done["loops"]] == [(0, None), (1, "gate_not_shown")]
    test = chain.summary(closed.work, "seed_rm.heldout")["metrics"]["test"]
    assert done["loops"][0]["test_longer_wins"] == test["longer_wins"]["value"]
    assert test["longer_wins"]["n"] == test["accuracy"]["n"]
    run = json.loads(ser(capsys, "status", "--json"))["evolutions"][0]
    assert (run["promoted_loop"], run["verdict"], run["gate"]) == (0, "gate_not_shown", gate)


def test_people_read_it_in_the_terminal_and_on_the_page(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    gate = chain.summary(closed.work, "evolved_rm")["gate"]
    said = " ".join(ser(capsys, "run").split())
    page = " ".join(re.sub(r"<[^>]+>", " ", Path(ser(capsys, "report").strip()).read_text()).split())
    for text in (said, page):
        assert f"No loop was run: the seed RM is {gate['words']}." in text
        assert re.search(r"ser run --dataset tiny .*--set anyway=true", text)
        assert "longer wins" in text and "loop 1 (not run)" in text
        assert "not better than" not in text and "did not help" not in text
    assert "the gate is closed" in ser(capsys, "status")


def test_the_audit_has_it_and_can_be_rebuilt(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> list[list[dict[str, Any]]]:
        tables = ("status_reports", "reward_models", "evaluations", "loop_summary", "evolution_artifacts")
        return [audit(capsys, f"SELECT * FROM {table} ORDER BY ALL") for table in tables]

    before = statuses, models, evaluations, *_ = rows()
    assert [(row["loop"], row["status"], row["n_kept"]) for row in statuses] == [(1, "gate_not_shown", 0)]
    gate = chain.summary(closed.work, "evolved_rm")["gate"]
    assert [(row["promoted"], row["why"]) for row in models] == [
        (True, f"no loop was run: the seed RM is {gate['words']}")
    ]
    test = chain.summary(closed.work, "seed_rm.heldout")["metrics"]["test"]["longer_wins"]
    (found,) = (row for row in evaluations if (row["metric"], row["split"]) == ("longer_wins", "test"))
    assert (found["value"], found["n"]) == (test["value"], test["n"])
    ser(capsys, "audit", "--rebuild")
    assert [sorted(map(str, part)) for part in rows()] == [sorted(map(str, part)) for part in before]
    assert matches_parquet(AuditDatabase(closed.work.root / "audit.duckdb"), closed.work.record()) == []


def test_the_seed_model_can_be_exported(closed: Closed, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    done = json.loads(ser(capsys, "export", "rm", "--to", tmp_path / "rm", "--json"))
    assert done["loop"] == 0 and done["rm_version"] == closed.work.heads.get("seed_rm").version
    assert "not shown to be better than a coin" in (tmp_path / "rm" / "README.md").read_text()
    assert main(["export", "labels", "--to", str(tmp_path / "labels.jsonl")]) == 1
    assert f"no loop of {closed.work.identity} kept a pair" in capsys.readouterr().err
    assert main(["export", "policy", "--to", str(tmp_path / "policy")]) == 1
    assert "has no policy: its seed RM is not shown to be" in capsys.readouterr().err


def test_what_is_asked_for_of_a_loop_that_was_not_run_says_why(
    closed: Closed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", "export"]) == 1
    assert "because it ended at its gate" in (error := capsys.readouterr().err)
    assert error.endswith("Run: ser run --dataset tiny --anyway\n")
    result, _ = on_demand(closed.work.root, closed.work.snapshot, "loop_1/ppo_policy")
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "loop 1 has no reward model: the seed RM is not shown to be" in str(failure.step_failure_data.error)


def test_the_audit_can_be_brought_up_alone_as_after_a_failed_run(closed: Closed) -> None:
    result, _ = on_demand(closed.work.root, closed.work.snapshot, "audit_sync", "report")
    assert result.success and chain.outcomes(result) == {"audit_sync": "made", "report": "made"}


def test_who_goes_on_anyway_gets_the_loops(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    done = json.loads(ser(capsys, "run", "--anyway", "--no-policy", "--json"))
    gate = chain.summary(closed.work, "evolved_rm")["gate"]
    assert done["gate"] == gate and done["verdict"] in ("shown", "not_shown")
    assert done["loops"][1]["status"] in ("1", "2") and done["loops"][1]["n_kept"] > 0
    assert done["loops"][0]["rm_version"] == closed.work.heads.get("seed_rm").version
    assert f"although the seed RM is {gate['words']}" in done["promoted"]["why"]
    reports = audit(capsys, f"SELECT status FROM status_reports WHERE evolution = '{done['evolution']}'")
    assert reports == [{"status": done["loops"][1]["status"]}]
    page = Path(ser(capsys, "report", "--evolution", done["evolution"]).strip())
    assert "although the seed RM is not shown" in page.read_text()
    assert Path(ser(capsys, "report").strip()) != page  # that of the settings of now ended at its gate
