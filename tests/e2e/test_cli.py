"""The `ser` command as a user runs it: in a process of its own."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, unlabelled, write_jsonl

SER = Path(sys.executable).with_name("ser")


def ser(*arguments: str | Path, code: int = 0) -> str:
    """Run `ser` and return its standard output; it must end with `code` and never with a stack trace."""
    done = subprocess.run([SER, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def without_times(root: Path) -> dict[str, bytes]:
    """Every file of every artifact but the manifests and the times of landing."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "artifacts").rglob("*"))
        if path.is_file()
        and path.name not in ("manifest.json", "pair_times.parquet", "label_times.parquet", "snapshots.parquet")
    }


@pytest.fixture
def project(data_root: Path, tmp_path: Path) -> Path:
    """A data root with tiny settings; the environment of the test is that of the commands."""
    (tmp_path / "ser.toml").write_text("loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    return data_root


@pytest.mark.slow
def test_land_run_status_audit_report(project: Path, tmp_path: Path) -> None:
    labelled = labelled_rows(300)
    write_jsonl(tmp_path / "pairs.jsonl", [*labelled, {"prompt": "x", "chosen": "y"}])
    landed = json.loads(ser("land", tmp_path / "pairs.jsonl", "--dataset", "tiny", "--json"))
    assert landed == landed | {
        "dataset": "tiny", "read": 301, "landed": 300, "labels_added": 0, "duplicates": 0, "quarantined": 1,
        "labelled": 300, "unlabelled": 0,
    }  # fmt: skip
    first = json.loads(ser("run", "--json"))
    assert first["snapshot"] == landed["snapshot"]
    assert (first["recipe"], first["reused"]) == ("paper", False)
    assert [row["loop"] for row in first["loops"]] == list(range(len(first["loops"])))
    assert first["loops"][0]["test_accuracy"] > 0.8
    assert first["policy"]["win"] + first["policy"]["tie"] + first["policy"]["loss"] == first["policy"]["n"] == 8
    second = json.loads(ser("run", "--json"))
    assert second["reused"]
    assert (second["loops"], second["promoted"], second["policy"]) == (
        first["loops"],
        first["promoted"],
        first["policy"],
    )
    status = json.loads(ser("status", "--json"))
    assert status["datasets"] == [
        {
            "dataset": "tiny", "snapshot": landed["snapshot"], "pairs": 300, "labelled": 300, "unlabelled": 0,
            "roles": landed["roles"],
        }
    ]  # fmt: skip
    assert status["evolutions"][0]["promoted_loop"] == first["promoted"]["loop"]
    check_audit(first)
    page = Path(ser("report").strip())
    assert "seed" in page.read_text()


def check_audit(result: dict[str, Any]) -> None:
    loops = json.loads(ser("audit", "loops", "--format", "json"))
    assert [row["loop"] for row in loops] == [row["loop"] for row in result["loops"]]
    for name in ("flips", "precision", "confident-mistakes", "bias"):
        assert ser("audit", name, "--format", "csv").count("\n") >= 1
    sql = "SELECT pair_id FROM self_labels WHERE loop = 1 ORDER BY confidence DESC LIMIT 1"
    pair = json.loads(ser("audit", "--sql", sql, "--format", "json"))[0]["pair_id"]
    history = json.loads(ser("audit", "history", "--pair", pair, "--format", "json"))
    assert history[0]["loop"] == 1
    assert "read-only" in ser("audit", "--sql", "DELETE FROM pairs", code=1)
    before = ser("audit", "loops", "--format", "json")
    assert "made again" in ser("audit", "--rebuild")
    assert ser("audit", "loops", "--format", "json") == before


@pytest.mark.slow
def test_later_data_makes_a_new_snapshot_and_reuses_what_is_unchanged(project: Path, tmp_path: Path) -> None:
    ser("land", write_jsonl(tmp_path / "one.jsonl", labelled_rows(300)), "--dataset", "tiny")
    first = json.loads(ser("run", "--json", "--no-policy", "--loops", "1"))
    (project / "landing" / "tiny").mkdir(parents=True, exist_ok=True)
    write_jsonl(project / "landing" / "tiny" / "two.jsonl", unlabelled(labelled_rows(20, seed=9)))
    second = json.loads(ser("run", "--json", "--no-policy", "--loops", "1"))
    assert second["snapshot"] != first["snapshot"]
    assert second["loops"][0]["rm_version"] == first["loops"][0]["rm_version"]
    assert second["loops"][1]["n_pool"] == first["loops"][1]["n_pool"] + 20
    assert second["policy"] is None


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bytes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    ser("land", tmp_path / "pairs.jsonl", "--dataset", "tiny")
    command = [SER, "run", "--no-policy"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    training = project / "artifacts" / "loop_1" / "retrained_rm"
    for _ in range(1200):
        if list(training.glob(".*.tmp")):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = json.loads(ser("run", "--no-policy", "--json"))
    assert not result["reused"]
    undisturbed = tmp_path / "undisturbed"
    monkeypatch.setenv("SER_DATA", str(undisturbed))
    ser("land", tmp_path / "pairs.jsonl", "--dataset", "tiny")
    assert json.loads(ser("run", "--no-policy", "--json"))["loops"] == result["loops"]
    assert without_times(project) == without_times(undisturbed)
    states = json.loads(
        subprocess.run([sys.executable, "-c", STATES], capture_output=True, text=True, check=True,
                       env=os.environ | {"SER_DATA": str(project)}).stdout
    )  # fmt: skip
    assert sorted(states) == ["FAILURE", "SUCCESS"]


STATES = """
import json
from ser_dagster.dagster_instance import instance
with instance() as current:
    print(json.dumps([run.status.value for run in current.get_runs()]))
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "no dataset has landed yet.\nLand one: ser land FILE --dataset NAME"),
        (["run", "--dataset", "nope"], "unknown dataset 'nope'"),
        (["run", "--loops", "0"], "--loops 0 is impossible: it may be 1 to 2"),
        (["run", "--loops", "3"], "--loops 3 is impossible: it may be 1 to 2"),
        (["report", "--dataset", "nope"], "unknown dataset 'nope'"),
        (["audit", "loops"], "ser run"),
        (["audit", "nonsense"], "nonsense"),
        (["land", "missing.jsonl", "--dataset", "x"], "missing.jsonl"),
        (["land", ".", "--dataset", "x"], "directory"),
        (["land", "pyproject.toml", "--dataset", "../x"], "cannot be the name of a dataset"),
    ],
)
def test_wrong_use_gets_one_or_two_lines(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 1
    out, error = capsys.readouterr()
    assert message in error and out == ""
    assert len(error.splitlines()) <= 3


def test_a_wrong_argument_is_exit_code_2(project: Path) -> None:
    assert "invalid int value" in ser("run", "--loops", "many", code=2)


def test_a_wrong_setting_names_the_nearest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_LOPS", "2")
    assert "SER_LOPS: unknown setting 'lops'. Did you mean SER_LOOPS?" in ser("run", code=1)


@pytest.mark.slow
def test_a_backbone_that_is_nowhere_is_named(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(tmp_path / "gone"))
    write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    ser("land", tmp_path / "pairs.jsonl", "--dataset", "tiny")  # which needs no model
    assert "there is no folder" in ser("run", code=1)


@pytest.mark.slow
def test_two_runs_of_one_snapshot_do_not_work_at_once(project: Path, tmp_path: Path) -> None:
    from resources.locks import own_snapshot

    ser("land", write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)), "--dataset", "tiny")
    snapshot = json.loads(ser("status", "--json"))["datasets"][0]["snapshot"]
    with own_snapshot(project, snapshot, "the-other-run"):
        assert "the-other-run" in ser("run", code=1)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space left on the disk"), (errno.EIO, "somewhere cannot be read or written")],
)
def test_a_disk_that_fails_is_said_in_two_lines(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    number: int, words: str,
) -> None:  # fmt: skip
    from resources.landing.stage import Staging

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "somewhere")

    monkeypatch.setattr(Staging, "read", fail)
    write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(5))
    assert main(["land", str(tmp_path / "pairs.jsonl"), "--dataset", "tiny"]) == 1
    error = capsys.readouterr().err
    assert words in error and len(error.splitlines()) <= 2
