"""A stage alone: `python -m ser.stages` does what the store's launcher does, and ends with its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ser.data import tables
from ser.errors import SerError
from ser.method.selection import PairRule
from ser.progress import silent
from ser.specs import Thresholds
from ser.stages.job import NAMES, Job

ROOT = Path(__file__).parents[3]


def job(folder: Path, **changes: Any) -> Path:
    """The file of a small job: filter ten self-labelled pairs."""
    rows = [
        {"pair_id": str(k), "reward_a": 1.0, "reward_b": 0.0, "p_a": 0.5 + k / 20, "p_b": 0.5 - k / 20,
         "confidence": 0.9, "preferred": "a"}
        for k in range(10)
    ]  # fmt: skip
    tables.write(folder / "labels.parquet", tables.SELF_LABELS, rows)
    rule = PairRule.of_loop("status", "1", Thresholds())
    (folder / "status.json").write_text(json.dumps({"rule": rule.model_dump()}))
    inputs = {"self_labels": str(folder / "labels.parquet"), "status": str(folder / "status.json")}
    text = {"stage": "filter_pairs", "spec": {"target": "hard"}, "inputs": inputs, "out": str(folder / "out")}
    (folder / "job.json").write_text(json.dumps(text | changes))
    return folder / "job.json"


def run(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ser.stages", file], cwd=ROOT, capture_output=True, text=True)


def test_a_job_alone_writes_what_the_stage_writes_here(tmp_path: Path) -> None:
    file = job(tmp_path, parent=os.getpid(), execution={"threads": 1, "batch_tokens": 256})
    done = run(file)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text()) == Job.read(file).run(silent)
    assert summary == {"n_kept": 8, "n_left": 2, "rule": "status_1"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "filtered.parquet", "kept.parquet", "summary.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": "os"}, "there is no stage 'os'.\nThe stages are base_responses, "),
        ({"spec": {"target": "soft", "n_max": 1}}, "stage filter_pairs: impossible spec: n_max: "),
        ({"inputs": {"status": "x"}}, "self_labels: Field required.\nIt takes self_labels, status."),
        ({"execution": {"threads": 0}}, "is no job: execution.threads: "),
        ({"out": 3}, "is no job: out: "),
    ],
)
def test_what_is_no_job_is_said_in_two_lines(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SerError) as error:
        Job.read(job(tmp_path, **changes))
    assert said in str(error.value) and len(str(error.value).splitlines()) == 2


@pytest.mark.slow
def test_exit_codes(tmp_path: Path) -> None:
    assert run(tmp_path / "none.json").returncode == 2
    refused = job(tmp_path, stage="train_judge", spec={
        "training": {}, "arithmetic": {}, "epochs": 1, "random_seed": 0,
    }, inputs={
        "backbone": "x", "pairs": [], "encoded": [], "judge_labels": str(tmp_path / "labels.parquet"),
    })  # fmt: skip
    done = run(refused)
    assert done.returncode == 1 and done.stderr.startswith("all calibration and test pairs are tied to each other")
    assert not (tmp_path / "out" / "summary.json").exists()


def test_every_stage_says_its_types_without_torch() -> None:
    code = (
        "import sys; from ser.stages.job import NAMES, _checked\n"
        "from importlib import import_module; from typing import get_type_hints\n"
        "for name in NAMES:\n"
        "    hints = get_type_hints(import_module(f'ser.stages.{name}').run)\n"
        "    assert {'spec', 'inputs', 'out', 'progress', 'execution', 'return'} == hints.keys(), name\n"
        "print(sorted({'torch', 'transformers', 'trl', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert "label" in NAMES and "job" not in NAMES


PARENT = """
import json, os, subprocess, sys
job = json.loads(open(sys.argv[1]).read())
open(sys.argv[1], "w").write(json.dumps(job | {"parent": os.getpid()}))
code = '''
import sys, time
from pathlib import Path
from ser.data import tables
from ser.stages import __main__
real = tables.write
def slow(path, *rest):
    for n in range(600):
        (path.parent / "beat").write_text(str(n)); time.sleep(0.05)
    return real(path, *rest)
tables.write = slow
sys.exit(__main__.main(sys.argv[1:]))
'''
subprocess.run([sys.executable, "-c", code, sys.argv[1]])
"""


def test_a_job_dies_with_its_parent(tmp_path: Path) -> None:
    """A child of the process pool that ran stages before wrote on for as long as it liked."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, job(tmp_path)], cwd=ROOT)
    beat = tmp_path / "out" / "beat"
    until = time.monotonic() + 60
    while not beat.exists() and time.monotonic() < until:
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    time.sleep(0.3)
    last = beat.read_text()
    time.sleep(0.5)
    assert beat.read_text() == last


def test_a_job_whose_parent_is_gone_does_not_begin(tmp_path: Path) -> None:
    done = run(job(tmp_path, parent=1))
    assert done.returncode == 2 and "process 1, the parent of this job, is not here" in done.stderr
    assert not (tmp_path / "out").exists()
