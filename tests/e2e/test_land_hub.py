"""`ser land --hub` against a hub of our own: a process of its own, over HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources.landing.hub.catalogue import HUB_DATASETS
from tests.hub import SUMMARIZE_COMMIT, serving, summarize_row, ultrafeedback_row, write_files, write_hh

pytestmark = pytest.mark.slow

SER = Path(sys.executable).with_name("ser")


def ser(*arguments: str, code: int = 0, **environment: str) -> str:
    """Run `ser` and return its standard output, or its standard error if it must fail."""
    done = subprocess.run(
        [SER, *arguments], capture_output=True, text=True, timeout=120,
        env=os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"} | environment,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def hub_home(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root, and a cache of the hub that is empty."""
    (tmp_path / "ser.toml").write_text("")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return data_root


def test_a_pinned_data_set_lands_once(hub_home: Path, tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub")
    command = ("land", "--hub", "hh-rlhf", "--subset", "helpful-online", "--limit", "2", "--json")
    with serving(tmp_path / "hub") as (endpoint, asked):
        landed = json.loads(ser(*command, HF_ENDPOINT=endpoint))
    assert landed["hub"] == {
        "file": "hub-hh-rlhf-helpful-online-train-09be8c5bbc57-2.jsonl", "repository": "Anthropic/hh-rlhf",
        "revision": dataset.revision, "subset": "helpful-online", "split": "train", "limit": 2, "rows": 2,
        "pairs": 2, "skipped": {},
    }  # fmt: skip
    assert (landed["dataset"], landed["read"], landed["landed"], landed["labelled"]) == ("hh-rlhf", 2, 2, 2)
    assert f"datasets/Anthropic/hh-rlhf/resolve/{dataset.revision}/helpful-online/train.jsonl.gz" in asked
    # A commit never changes, so the hub is not needed again.
    again = json.loads(ser(*command, HF_HUB_OFFLINE="1"))
    assert again == landed | {"landed": 0, "duplicates": 2}


def test_a_branch_is_looked_up_and_its_commit_recorded(hub_home: Path, tmp_path: Path) -> None:
    rows = [summarize_row(number, number % 2) for number in range(3)]
    write_files(tmp_path / "hub", HUB_DATASETS["summarize"], {"data/train-00000-of-00001-ab.parquet": rows})
    with serving(tmp_path / "hub") as (endpoint, _):
        said = ser("land", "--hub", "summarize", "--dataset", "tldr", HF_ENDPOINT=endpoint)
        wrong = ser("land", "--hub", "summarize", "--revision", "no-such", code=1, HF_ENDPOINT=endpoint)
    assert f"HuggingFaceH4/summarize-from-feedback at {SUMMARIZE_COMMIT[:12]}, split train: 3 pairs of 3 rows." in said
    assert "tldr: read 3 rows: 3 landed" in said
    assert (hub_home / "landing" / "tldr" / f"hub-summarize-train-{SUMMARIZE_COMMIT[:12]}-10000.jsonl").exists()
    assert "no such files in HuggingFaceH4/summarize-from-feedback at revision no-such" in wrong


def test_what_the_limit_does_not_need_is_not_downloaded(hub_home: Path, tmp_path: Path) -> None:
    shards = {f"data/train_prefs-0000{number}-of-00002.parquet": [ultrafeedback_row(number)] for number in range(2)}
    write_files(tmp_path / "hub", HUB_DATASETS["ultrafeedback"], shards)
    with serving(tmp_path / "hub") as (endpoint, asked):
        landed = json.loads(ser("land", "--hub", "ultrafeedback", "--limit", "1", "--json", HF_ENDPOINT=endpoint))
    assert landed["landed"] == 1
    read = {path.rpartition("/")[2] for path in asked if "/resolve/" in path and path.endswith(".parquet")}
    assert read == {"train_prefs-00000-of-00002.parquet"}


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
@pytest.mark.parametrize("name", ["hh-rlhf", "summarize"])
def test_a_hub_out_of_reach_is_one_sentence(hub_home: Path, name: str, environment: dict[str, str]) -> None:
    error = ser("land", "--hub", name, code=1, **environment)
    assert error.startswith(f"ser: the Hugging Face hub cannot be reached for {HUB_DATASETS[name].repository}")
    assert "check the network" in error
    assert error.count("\n") == 1
    assert not (hub_home / "landing").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["land"], "name either FILEs or a data set of the hub"),
        (["land", "x.jsonl", "--hub", "hh-rlhf"], "name either FILEs or a data set of the hub"),
        (["land", "x.jsonl"], "required: --dataset"),
        (["land", "x.jsonl", "--dataset", "x", "--limit", "3"], "--limit: only with --hub"),
        (["land", "--hub", "nope"], "there is no --hub 'nope'"),
        (["land", "--hub", "hh-rlhf", "--limit", "0"], "'0' is no whole number above zero"),
        (["land", "--hub", "hh-rlhf", "--limit", "many"], "--limit"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    from ser_dagster.cli import main

    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


def test_a_bad_name_never_becomes_a_folder(hub_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ser_dagster.cli import main

    assert main(["land", "--hub", "hh-rlhf", "--dataset", "../../out"]) == 1
    assert "cannot be the name of a dataset" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
