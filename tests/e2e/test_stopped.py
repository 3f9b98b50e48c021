"""A run that is stopped in the terminal: a cancelled run, two words, and it goes on later."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ser_dagster.dagster_instance import instance
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

SER = Path(sys.executable).with_name("ser")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_cancelled_and_goes_on(data_root: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    long = ["run", "--no-policy", "--set", "reward_model.seed_epochs=200"]
    process = subprocess.Popen(
        [SER, *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "· seed_rm: " in line:
            os.killpg(process.pid, number)  # as a terminal does it
            break
    out, rest = process.communicate(timeout=60)
    said = "".join(said) + rest
    assert process.returncode == 1
    assert not out
    assert "Stopped. Run again: it continues here.\n" in said
    assert not {"Traceback", "failed", "Error"} & set(said.replace(":", " ").split())
    with instance() as current:
        (run,) = current.get_runs()
        assert run.status == dg.DagsterRunStatus.CANCELED
        assert run.tags["ser/started_by"] == "ser run"
        assert run.tags["dagster/code_location"] == "ser_dagster" and run.remote_job_origin is not None
    again = subprocess.run([SER, "run", "--no-policy", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["promoted"] is not None
