"""`--preset NAME` and a model's folder is all that the complete chain needs, for each published configuration."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from resources.audit.database import query
from resources.evolution import Evolution
from resources.preset_files import presets
from resources.settings_file import load_settings
from ser.data import tables
from ser.data.encoding import begins_every_text
from ser.models.tokenizer import load_tokenizer
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl
from tests.published import write_published

FAST = "llama-3-8b"
SHORT = """
loops = 1
max_loops = 1
anyway = true
[thresholds]
n_min = 5
[method]
select = "all"
[ppo]
episodes = 8
batch_size = 8
minibatch_size = 8
epochs = 1
response_tokens = 4
[judging]
prompts = 8
"""
"""What a preset says takes hours, and a model of random weights is no better than a coin."""


def encoded(path: Path) -> list[dict[str, Any]]:
    return list(tables.read(path / "seed" / "encoded.parquet"))


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == FAST else pytest.mark.slow) for one in presets()]
)
def test_the_chain_runs_on_the_published_configuration(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = write_published(name, tmp_path / "model")
    (tmp_path / "ser.toml").write_text(SHORT)
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(folder))
    monkeypatch.delenv("SER_MAX_LOOPS")
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(100)))
    assert main(["run", "--preset", name, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["policy"]["n"] == 8 and [row["loop"] for row in done["loops"]] == [0, 1]
    work = Evolution(data_root, load_settings(preset=name), snapshot)
    assert done["evolution"] == work.identity and list((data_root / "reports").rglob("*.html"))
    (audited,) = query(data_root / "audit.duckdb", "SELECT preset, backbone FROM evolutions")[1]
    assert audited == (name, str(folder))

    tokenizer = load_tokenizer(folder)
    rows = encoded(work.heads.get("encoded_pairs").path)
    begins = tokenizer.bos_token_id if begins_every_text(tokenizer) else None
    for row in rows:
        assert begins is None or (row["prompt"][0] == begins and row["prompt"].count(begins) == 1)
        for response in (row["response_a"], row["response_b"]):
            assert response[-1] == tokenizer.eos_token_id and response.count(tokenizer.eos_token_id) == 1
    seed, policy = work.heads.get("seed_rm"), chain.summary(work, "ppo_policy")
    training, trained = work.settings.reward_model, chain.summary(work, "seed_rm")
    paper = name.startswith(("llama", "mistral"))
    assert seed.manifest["spec"]["training"] == training.training.model_dump()
    # As published, two epochs; else 19 labels, two steps an epoch, are seen until thirty are taken.
    assert trained["steps"] == (2 * -(-trained["n_human"] // 40) if paper else 30)
    adapter = json.loads((seed.path / "rm" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_dropout"]) == ((8, 0.1) if paper else (16, 0.0))
    assert adapter["layers_to_transform"] == ([0, 1, 2, 3] if paper else [2, 3])
    labels = list(tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet"))
    assert labels and all(math.isfinite(row["reward_a"]) and row["reward_a"] != row["reward_b"] for row in labels)
    assert policy["episodes"] == 8 and policy["ratio_error"] < 1e-3 and 0 <= policy["mean_score"] <= 1
    if name != FAST:
        # An export is checked against the run, by the tokens that a user of transformers gives it.
        assert main(["export", "rm", "--evolution", work.identity, "--loop", "1", "--to", str(tmp_path / "rm")]) == 0
        assert main(["export", "policy", "--evolution", work.identity, "--to", str(tmp_path / "policy")]) == 0


def test_the_command_names_the_preset(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(30)))
    assert main(["run", "--preset", "llama3-8b"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "there is no preset 'llama3-8b'. Did you mean 'llama-3-8b'?" in said[0] and len(said) == 2


def test_a_gated_model_that_is_not_there_is_named_with_what_to_do(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        try:
            raise RuntimeError("401 Client Error")
        except RuntimeError as error:
            raise OSError("Cannot access gated repo. You must be authenticated to access it") from error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.delenv("SER_BACKBONE__MODEL")
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(100)))
    assert main(["run", "--dataset", "tiny", "--preset", "llama-3-8b"]) == 1
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert first.startswith("ser: backbone failed: backbone.model 'meta-llama/Meta-Llama-3-8B-Instruct' is neither a")
    assert "Cannot access gated repo" in first
    assert "accept the licence" in second and "hf auth login" in second and "--set backbone.model=FOLDER" in second
