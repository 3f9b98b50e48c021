"""The complete chain in the arithmetic and with the memory of a GPU, its kernels aside, labels as a processor does."""

from pathlib import Path

import numpy as np
import pytest

from resources import machine
from resources.evolution import Evolution
from ser.data import tables
from ser.models import backbone, resident
from ser.models.states import kept
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

SETTINGS = f"loops = 1\nmax_loops = 1\nanyway = true\n[method]\nselect = 'all'\n{chain.SETTINGS}"


def labels(work: Evolution) -> dict[str, dict]:
    rows = tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet")
    return {row["pair_id"]: row for row in rows}


@pytest.mark.slow
def test_the_chain_labels_as_a_processor_does(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SER_MAX_LOOPS")
    (tmp_path / "ser.toml").write_text(f"{SETTINGS}[compute]\ndtype = 'float32'\n")
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(200)))
    result, on_processor = chain.materialize(data_root, snapshot)
    assert result.success
    (tmp_path / "ser.toml").write_text(f"{SETTINGS}[compute]\ndtype = 'bfloat16'\ncache = 'host'\n")
    monkeypatch.setattr(machine, "_attention", lambda device, dtype: "varlen")
    monkeypatch.setattr(backbone, "may_stay", lambda folder, arithmetic: arithmetic.dtype == "bfloat16")
    read: list[str] = []
    real = backbone.read_model
    monkeypatch.setattr(backbone, "read_model", lambda *args: read.append(args[1]) or real(*args))
    result, work = chain.materialize(data_root, snapshot)
    assert result.success and set(chain.outcomes(result).values()) == {"made"}
    assert work.identity != on_processor.identity
    seed = work.heads.get("seed_rm").manifest
    assert (seed["spec"]["arithmetic"]["attention"], seed["execution"]["cache"]) == ("varlen", "host")
    assert read == ["causal_lm"], "the backbone is read once in a run"
    assert not work.states("pool").exists() and not kept._KEPT and not resident._RESIDENT, "and nothing is left of it"
    ours, theirs = labels(work), labels(on_processor)
    assert ours.keys() == theirs.keys()
    margins = [[row["reward_a"] - row["reward_b"] for _, row in sorted(of.items())] for of in (ours, theirs)]
    assert np.corrcoef(margins)[0, 1] > 0.98
    assert np.mean(np.sign(margins[0]) == np.sign(margins[1])) > 0.95
    assert chain.summary(work, "ppo_policy")["ratio_error"] < 1e-3
    assert work.heads.get("policy_evaluation").summary["n"] == 8
