"""The complete chain over a backbone in 4 bits."""

import json
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("bitsandbytes", reason="4 bits need `pip install 'ser-dagster[gpu]'`")

from resources.settings_file import load_settings
from ser.data import tables
from ser.errors import SerError
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl
from tests.published import write_published

SETTINGS = f"loops = 1\nmax_loops = 1\nanyway = true\n[method]\nselect = 'all'\n{chain.SETTINGS}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_chain_runs_over_four_bits(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    (tmp_path / "ser.toml").write_text(f"{SETTINGS}[compute]\nweights = 'nf4'\ndtype = '{dtype}'\n")
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(write_published("llama-3-8b", tmp_path / "model")))
    monkeypatch.delenv("SER_MAX_LOOPS")
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(200)))
    result, work = chain.materialize(data_root, snapshot)
    assert result.success and set(chain.outcomes(result).values()) == {"made"}
    seed, policy = work.heads.get("seed_rm"), chain.summary(work, "ppo_policy")
    assert seed.manifest["spec"]["arithmetic"]["weights"] == "nf4"
    assert seed.manifest["bitsandbytes"] == metadata.version("bitsandbytes")
    assert "bitsandbytes" not in work.heads.get("encoded_pairs").manifest
    assert chain.summary(work, "seed_rm.heldout")["metrics"]["test"]["accuracy"]["value"] > 0.8
    labels = list(tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet"))
    assert len({row["reward_a"] for row in labels}) == len(labels)
    assert policy["ratio_error"] < 1e-3
    assert work.heads.get("policy_evaluation").summary["n"] == 8
    place = tmp_path / "rm"
    assert main(["export", "rm", "--loop", "1", "--to", str(place)]) == 0
    assert "trained over a backbone in 4 bits" in (place / "README.md").read_text()
    assert "quantization_config" not in json.loads((place / "merged" / "config.json").read_text())


def test_four_bits_are_another_evolution(data_root: Path) -> None:
    full = load_settings()
    four = load_settings(assignments=["compute.weights=nf4"])
    assert four.digest != full.digest
    assert four.compute.arithmetic.weights == "nf4" and full.compute.arithmetic.weights == "full"
    with pytest.raises(SerError, match=r"sft writes full weights, and compute\.weights is nf4"):
        load_settings(assignments=["compute.weights=nf4", "sft=true"])


def test_a_missing_library_is_said_before_anything_runs(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ser.models import nf4

    monkeypatch.setattr(nf4, "find_spec", lambda name: None)
    with pytest.raises(SerError, match=r"not installed\.\nRun `pip install 'ser-dagster\[gpu\]'`"):
        load_settings(assignments=["compute.weights=nf4"])
