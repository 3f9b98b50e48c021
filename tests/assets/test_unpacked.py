"""A backbone that packing is not proven for: the loops run in plain batches, and a policy is refused in words."""

import warnings
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

from ser.models import backbone
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


@pytest.fixture
def landed(data_root: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    torch.manual_seed(0)
    folder, tokenizer = tmp_path / "neox", AutoTokenizer.from_pretrained(tiny_backbone)
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(folder))
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))


def test_the_loops_run_and_a_policy_is_refused(data_root: Path, landed: str) -> None:
    backbone._warn_of_plain_batches.cache_clear()  # another test may have heard it
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, work = chain.materialize(data_root, landed, policy=False)
    assert result.success
    said = [str(one.message) for one in caught if "packing" in str(one.message)]
    assert len(said) == 1 and said[0].startswith("packing is not proven for model type 'gpt_neox': pairs are scored")
    assert chain.summary(work, "seed_rm.heldout")["metrics"]["test"]["accuracy"]["value"] > 0.8
    assert chain.outcomes(result)["loop_1/retrained_rm"] == "made"
    assert not list((data_root / "cache").glob("states/*/*/0*"))
    result, _ = chain.materialize(data_root, landed)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert failure.step_key == "ppo_policy"
    assert "Run with --no-policy" in str(failure.step_failure_data.error)
