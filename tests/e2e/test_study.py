"""`ser study`: many small evolutions, one page, and nothing is run twice."""

import json
import os
import signal
import threading
from pathlib import Path

import dagster as dg
import pytest

from assets.ser_resource import SerResource
from resources.landing.zone import Landing
from ser.data import tables
from ser_dagster.cli import main
from ser_dagster.dagster_instance import instance
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

STUDY = """
question = "Does it matter how sure a label has to be?"
draws = [0, 1]
[settings]
loops = 1
anyway = true
thresholds.n_min = 5
[axes.threshold.low]
thresholds.tau_delta = 0.1
[axes.threshold.high]
thresholds.tau_delta = 0.9
[baseline]
threshold = "low"
"""


def test_a_study_runs_what_is_missing_and_writes_its_page(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    (tmp_path / "mine.toml").write_text(STUDY.replace("draws = [0, 1]", "draws = [0]"))
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    command = ["study", str(tmp_path / "mine.toml"), "--dataset", "tiny", "--out", str(tmp_path / "out"), "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert [one["options"]["threshold"] for one in first["outcomes"]] == ["low", "high"]
    assert first["failed"] == {}
    page = Path(first["page"]).read_text()
    assert "2 of 2 evolutions" in page
    assert (tmp_path / "out" / "mine.svg").exists()
    (tmp_path / "mine.toml").write_text(STUDY)
    assert main([*command, "--page-only"]) == 0
    assert "2 of 4 evolutions" in Path(first["page"]).read_text()
    capsys.readouterr()
    assert main(command) == 0
    ended = capsys.readouterr()
    assert "4 evolutions, 2 of them known" in ended.err
    assert len(json.loads(ended.out)["outcomes"]) == 4


def test_controls_of_another_study_are_no_part_of_it(data_root: Path, tmp_path: Path):
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    one = STUDY.partition("[axes.")[0].replace("draws = [0, 1]", "draws = [0]")
    (tmp_path / "with.toml").write_text(one.replace("[settings]", 'controls = ["full_label"]\ncost = true\n[settings]'))
    (tmp_path / "without.toml").write_text(one)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    found = {}
    for name in ("with", "without"):
        assert main(["study", str(tmp_path / f"{name}.toml"), "--dataset", "tiny", "--out", str(tmp_path)]) == 0
        found[name] = json.loads((tmp_path / f"{name}.jsonl").read_text().splitlines()[-1])
    assert found["with"]["evolution"] == found["without"]["evolution"]
    assert found["with"]["answers"].keys() - found["without"]["answers"].keys() == {"full_label_rm"}
    assert found["with"]["costs"].keys() - found["without"]["costs"].keys() >= {"controls/full_label_rm"}
    assert not [key for key in found["without"]["costs"] if key.startswith("controls/")]


def test_an_impossible_option_is_refused_before_another_has_run(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    (tmp_path / "mine.toml").write_text(STUDY.replace("thresholds.tau_delta = 0.9", "method.teachers = 0"))
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(40)))
    assert main(["study", str(tmp_path / "mine.toml"), "--dataset", "tiny", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "study mine, tiny, high, draw 0: method.teachers: " in said and "(got '0')" in said
    assert "Mend the study" in said and "--set" not in said and not (tmp_path / "out").exists()


def test_what_fails_is_said_and_the_rest_goes_on(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    impossible = STUDY.replace("draws = [0, 1]", "draws = [0]").replace(
        "thresholds.tau_delta = 0.9", "roles.seed_fraction = 0.01"
    )
    (tmp_path / "mine.toml").write_text(impossible)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    assert main(["study", str(tmp_path / "mine.toml"), "--dataset", "tiny", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "tiny, high, draw 0 failed: " in said.err
    assert "too few human labels to train the seed RM" in said.err
    assert "1 of 2 evolutions failed" in said.err
    assert "1 of 2 evolutions." in (tmp_path / "out" / "mine.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_duckdb_computes_stops_the_study(
    data_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    (tmp_path / "mine.toml").write_text(STUDY)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    monkeypatch.setattr(SerResource, "evolution", lambda *_: _interrupted_query(number))
    command = ["study", str(tmp_path / "mine.toml"), "--dataset", "tiny", "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert capsys.readouterr().err.endswith("\nStopped. Run again: it continues here.\n")
    with instance() as current:
        assert [run.status for run in current.get_runs()] == [dg.DagsterRunStatus.CANCELED]


def test_a_signal_that_comes_while_duckdb_computes_between_two_evolutions_stops_the_study(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    monkeypatch.setattr(Landing, "current_snapshot", lambda *_: _interrupted_query(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
    try:
        assert main(["study", str(tmp_path / "mine.toml"), "--dataset", "tiny", "--out", str(tmp_path / "out")]) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "\nStopped. Run again: it continues here.\n"


def _interrupted_query(number: signal.Signals) -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    tables.ask("SELECT sum(a.range * b.range) FROM range(20000) AS a, range(200000) AS b")
