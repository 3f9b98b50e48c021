"""`ser plan` as a user reads it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.evolution import Evolution
from resources.manifests import MANIFEST, file_digests, sealed
from resources.settings_file import load_settings
from ser.data.encoded import write_encoded
from ser.data.encoding import EncodedPair
from ser_dagster.cli import main
from tests.chain import land
from tests.pairs import labelled_rows, unlabelled, write_jsonl

PAPER = ["plan", "--preset", "llama-3-8b", "--gpus", "1xH100-80GB", "--pairs", "30000", "--set", "ppo.episodes=640"]


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ser.toml").touch()
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    monkeypatch.setenv("SER_DATA", str(tmp_path / "data"))


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_the_plan_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, *PAPER, "--price", "2")
    assert found["parameters"] == 8_030_261_248
    assert found["pairs"] == {"pool": 30_000, "seed": 4_500, "calibration": 692, "test": 1731}
    assert found["fits"] is True and found["remedies"] == []
    stages = [stage["stage"] for stage in found["stages"]]
    assert (stages[0], stages[-1]) == ("seed_rm", "policy_evaluation")
    assert found["money"] == pytest.approx(2 * found["seconds"] / 3600)
    assert found["seconds"] == pytest.approx(sum(stage["seconds"] for stage in found["stages"]))
    assert 20 * 60 < found["seconds_without_policy"] < 30 * 60


def test_what_a_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PAPER) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "meta-llama/Meta-Llama-3-8B-Instruct, 8,030,261,248 parameters, on 1xH100-80GB; recipe paper, 3 loops"
    )
    assert lines[2].split() == ["stage", "M", "tokens", "PFLOP", "memory,", "GiB", "minutes", "US", "$"]
    (total,) = [line.split() for line in lines if line.startswith("  all  ")]
    (about,) = [line for line in lines if line.startswith("It takes ")]
    assert about == f"It takes about {round(float(total[4]))} minutes and ${total[5]}."
    assert any(line.startswith("Fits: ") for line in lines)
    assert max(map(len, lines[: lines.index(about)])) <= 110


def test_what_would_make_it_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--preset", "llama-3-70b", "--gpus", "1xH100-80GB", "--pairs", "1000"]) == 0
    out = capsys.readouterr().out
    assert "Does not fit: ppo_policy needs 137.1 of the usable 73.2 GiB of each H100-80GB." in out
    assert "  yes      41.7 GiB  4 cards, weights shared out (FSDP)" in out


def test_what_was_assumed_is_said_with_what_changes_it(capsys: pytest.CaptureFixture[str]) -> None:
    robust = planned(capsys, *PAPER, "--set", "recipe=robust", "--gpus", "8xH100-80GB")["assumptions"]
    assert "a loop keeps of its pool: 85% (--kept)" in robust
    assert "8 cards share out the pairs at 90% of their speed; a policy has one" in robust
    paper = planned(capsys, *PAPER, "--set", "reward_model.lora.top=0.5")["assumptions"]
    assert "a loop keeps of its pool: 50% in loop 1 and 20% later (--kept)" in paper
    assert "$2.95 for a card and hour (aimultiple.com/gpu-index, 2026-05; --price)" in paper
    assert "63.5 GB of disk for the cached states of the trunk" in paper


def test_settings_and_arguments_reach_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plain = planned(capsys, *PAPER)
    half = planned(capsys, *PAPER, "--set", "reward_model.lora.top=0.5")
    assert plain["states_bytes"] == 0 and half["states_bytes"] > 6e10
    assert half["seconds_without_policy"] < 0.75 * plain["seconds_without_policy"]
    assert planned(capsys, *PAPER, "--tokens", "420")["flops"] == pytest.approx(2 * plain["flops"], rel=0.1)
    assert planned(capsys, *PAPER, "--kept", "0.1")["seconds"] < plain["seconds"]
    one = planned(capsys, *PAPER, "--set", "loops=1")
    assert one["loops"] == 1 and "loop_2/self_labels" not in [stage["stage"] for stage in one["stages"]]
    labelled = planned(capsys, *PAPER, "--labelled", "400")["pairs"]
    assert labelled == {"pool": 30_000, "seed": 200, "calibration": 100, "test": 100}


def test_the_sizes_of_a_local_folder(capsys: pytest.CaptureFixture[str], tiny_backbone: Path) -> None:
    found = planned(capsys, "plan", "--gpus", "L4-24GB", "--pairs", "100", "--set", f"backbone.model={tiny_backbone}")
    assert found["model"] == str(tiny_backbone)
    shape = json.loads((tiny_backbone / "config.json").read_text())
    assert shape["vocab_size"] * 32 < found["parameters"] < 100_000


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--gpus", "1xH100", "--pairs", "9"], 1, "ser: --gpus: there is no card 'H100'. Did you mean H100-80GB?"),
        (["--gpus", "L4-24GB", "--pairs", "9", "--preset", "llama3-8b"], 1, "Did you mean 'llama-3-8b'?"),
        (
            ["--gpus", "L4-24GB", "--pairs", "9", "--set", "backbone.model=some/model"],
            1,
            "ser: backbone.model 'some/model': its sizes are not known here.",
        ),
        (["--gpus", "L4-24GB", "--pairs", "9", "--tokens", "1017"], 1, "a pair has at most 1,016."),
        (["--gpus", "L4-24GB", "--dataset", "nope"], 1, "unknown dataset 'nope'"),
        (["--gpus", "L4-24GB"], 2, "say how many pairs: either --pairs N or --dataset NAME."),
        (["--gpus", "L4-24GB", "--pairs", "9", "--dataset", "d"], 2, "say how many pairs"),
        (["--gpus", "L4-24GB", "--dataset", "d", "--labelled", "9"], 2, "--labelled goes with --pairs"),
        (["--gpus", "L4-24GB", "--pairs", "0"], 2, "'0' is no whole number above zero"),
        (["--gpus", "L4-24GB", "--pairs", "9", "--price", "-1"], 2, "'-1' is no number above zero"),
        (["--gpus", "L4-24GB", "--pairs", "9", "--price", "nan"], 2, "'nan' is no number above zero"),
        (["--gpus", "L4-24GB", "--pairs", "9", "--kept", "2"], 2, "'2' is no number from 0 to 1"),
        (["--pairs", "9"], 2, "the following arguments are required: --gpus"),
    ],
)
def test_wrong_use_is_said_in_two_lines(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    try:
        ended = main(["plan", *arguments])
    except SystemExit as end:
        ended = end.code
    out, err = capsys.readouterr()
    assert (ended, out) == (code, "")
    assert said in err and len(err.splitlines()) == 2


def encode(work: Evolution, pairs: list[EncodedPair]) -> None:
    """Let these be the tokens of the pool."""
    place = work.store.root / keys.ENCODED_PAIRS / ("0" * 16)
    (place / "pool").mkdir(parents=True)
    write_encoded(pairs, place / "pool")
    facts = {"key": keys.ENCODED_PAIRS, "version": place.name, "files": file_digests(place), "inputs": {}}
    (place / MANIFEST).write_text(json.dumps(sealed(facts)))
    work.heads.begin(None)
    work.heads.set(Artifact(keys.ENCODED_PAIRS, place.name, place))


def test_a_dataset_is_measured_by_its_characters_and_then_by_its_tokens(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*labelled_rows(80), *unlabelled(labelled_rows(40, seed=1))]
    snapshot = land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    ask = ("plan", "--gpus", "L4-24GB", "--dataset", "tiny")
    landed = planned(capsys, *ask)
    assert (landed["snapshot"], landed["pairs"]["pool"]) == (snapshot, 40)
    assert sum(landed["pairs"].values()) == 120
    assert 15 < landed["mean_tokens"] < 60
    assert "(characters / 4)" in landed["assumptions"][0]
    work = Evolution(data_root, load_settings(), snapshot)
    encode(work, [EncodedPair("a", [1] * 10, [1] * 4, [1] * 6, 0), EncodedPair("b", [1] * 600, [1] * 12, [1] * 4, 0)])
    encoded = planned(capsys, *ask)
    assert f"(tokens of {work.identity})" in encoded["assumptions"][0]
    assert encoded["mean_tokens"] == (20 + 500 + 12 + 4) / 2  # a prompt is cut to what fits beside the longer response
    assert planned(capsys, *ask, "--tokens", "99")["mean_tokens"] == 99


def test_help_comes_without_what_takes_long() -> None:
    code = "import sys\nfrom ser_dagster.cli import main\ntry:\n    main(['plan', '--help'])\nfinally:\n"
    code += "    print(sorted({'torch', 'dagster', 'duckdb', 'pydantic', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]")
