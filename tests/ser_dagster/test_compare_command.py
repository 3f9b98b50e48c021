"""`ser compare`: what differs between evolutions, in tables and as JSON."""

import json
from pathlib import Path

import pytest

from resources.audit.database import AuditDatabase
from resources.audit.sync import EvolutionRecord, sync
from resources.settings import Settings
from ser.specs import Thresholds
from ser_dagster.cli import main
from tests.resources.audit_fakes import (
    LOOP_1,
    artifact,
    filtered,
    heldout,
    made_of,
    named,
    promotion,
    record,
    report_of,
    self_labels,
    with_artifacts,
)

# The same pool, of which p1 and p5 got another label in loop 1.
OTHER = LOOP_1 | {"p1": ("b", 0.6, True), "p5": ("a", 0.7, True)}


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[EvolutionRecord, EvolutionRecord]:
    """Two evolutions of one snapshot; the second got every test pair right in loop 1 and promoted that."""
    monkeypatch.setenv("SER_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    run = record(tmp_path)
    labels = self_labels(tmp_path, 1, OTHER, "v-rm-0", "v-labels-other")
    own = [
        labels,
        report_of(tmp_path, 1, "2", len(OTHER), "v-status-other", labels.version),
        filtered(tmp_path, 1, OTHER, "v-filtered-other", labels.version),
        artifact(tmp_path, "loop_1/retrained_rm", "v-rm-other", {"n_human": 2}, **made_of("v-rm-0", "start")),
        heldout(tmp_path, "loop_1/retrained_rm", "v-held-other", "v-rm-other", set()),
        promotion(tmp_path, "v-evolved-other", {
            "promoted_loop": 1, "rm_version": "v-rm-other", "verdict": "shown", "why": "better",
        }, ["v-held-0", "v-held-other"]),
    ]  # fmt: skip
    shared = {key: run.artifacts[key] for key in ("landed_pairs", "splits", "seed_rm", "seed_rm.heldout")}
    settings = Settings(thresholds=Thresholds(tau_delta=0.2), loops=1)
    other = with_artifacts(named(shared, settings=settings, name="loose"), *own)
    for one in (run, other):
        sync(AuditDatabase(tmp_path / "audit.duckdb"), one)
    return run, other


def test_evolutions_side_by_side(
    both: tuple[EvolutionRecord, EvolutionRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = both
    assert main(["compare", run.settings.digest, "loose", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["evolution"] for one in found["evolutions"]] == [run.evolution, other.evolution]
    assert found["settings"] == [
        {"setting": "loops", "values": [3, 1]},
        {"setting": "thresholds.tau_delta", "values": [0.3, 0.2]},
    ]
    loops = [
        [(row["loop"], row["status"], row["n_kept"], row["test_accuracy"]) for row in rows] for rows in found["loops"]
    ]
    assert loops == [
        [(0, None, None, 0.5), (1, "1", 3, 0.75), (2, "converged", 0, None)],
        [(0, None, None, 0.5), (1, "2", 4, 1.0)],
    ]
    (gained,) = found["gains"]
    assert (gained["n"], gained["before"], gained["after"], gained["gain"]) == (4, 0.75, 1.0, 0.25)
    assert gained["ci_low"] < 0 < gained["ci_high"]
    assert found["labels"] == [
        [{"loop": 1, "n": 8, "n_changed": 2, "n_kept": 3, "n_kept_other": 4, "n_kept_by_both": 3, "n_changed_kept": 1}]
    ]
    assert main(["compare", run.evolution, "loose"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"A {run.evolution} B {other.evolution} (loose)" in text
    assert "thresholds.tau_delta 0.3 0.2" in text
    assert "loop 1 A 1 3 66.7 % 75.0 %" in text
    assert "on 4 common test pairs: 75.0 % to 100.0 %, +25.0 (" in text
    assert "loop 1 8 2 (25.0 %) 3 4 3" in text


def test_what_cannot_be_compared_is_said(
    both: tuple[EvolutionRecord, EvolutionRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = both
    assert main(["compare", "loose", "nope"]) == 1
    error = capsys.readouterr().err
    assert "knows no evolution 'nope'" in error and run.evolution in error and f"{other.evolution} (loose)" in error
    with pytest.raises(SystemExit) as end:
        main(["compare", "loose", "loose"])
    assert end.value.code == 2


def test_named_queries_are_about_one_evolution(
    both: tuple[EvolutionRecord, EvolutionRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "loops", "--evolution", "loose", "--format", "json"]) == 0
    said = capsys.readouterr()
    assert [row["n_kept"] for row in json.loads(said.out)] == [None, 4] and said.err == ""
    assert main(["audit", "loops", "--dataset", "sample", "--format", "json"]) == 0
    said = capsys.readouterr()
    assert f"evolution {max(one.evolution for one in both)}" in said.err and json.loads(said.out)
