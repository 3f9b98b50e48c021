"""The trunk's states are a cache: without room for them, or without them, the chain comes to the same versions."""

import errno
import shutil
from pathlib import Path

import pytest

from resources.caches import every_cache
from resources.evolution import Evolution
from resources.settings_file import load_settings
from ser.data import tables
from ser.models.states import writing
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

KEYS = ["seed_rm", "seed_rm.heldout", *(f"loop_1/{name}" for name in ("self_labels", "filtered_pairs", "retrained_rm"))]


def made(root: Path, snapshot: str) -> tuple[Evolution, dict[str, str]]:
    """The chain, and what its keys stand for."""
    result, work = chain.materialize(root, snapshot, policy=False)
    assert result.success
    return work, {key: work.heads.get(key).version for key in KEYS}


def rewards(work: Evolution) -> dict[str, tuple[float, str]]:
    rows = tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet")
    return {row["pair_id"]: (row["reward_a"], row["preferred"]) for row in rows}


def test_states_may_be_missing_and_removed(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    pairs = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    other = tmp_path / "other"
    tried: list[object] = []

    def full(states: object) -> bytes:
        tried.append(states)
        raise OSError(errno.ENOSPC, "No space left on device")

    snapshot = chain.land(data_root, pairs)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_bytes", full)
        work, versions = made(data_root, snapshot)
        assert len(tried) == 1  # a run gives up at the first part, and only there
        said: list[str] = []
        assert not Evolution(data_root, load_settings(), snapshot, log_warning=said.append).fill_states("test")
        assert len(said) == 1 and "no disk space for" in said[0] and "the run takes longer" in said[0]
    assert not list(every_cache(data_root)) and not list((data_root / "artifacts").rglob(".*.tmp"))
    assert not any(work.heads.get("seed_rm").manifest["execution"]["caches"].values())
    without = rewards(work)

    # With room, nothing that was made is made again; the states are there for what comes.
    again, same = made(data_root, snapshot)
    assert same == versions and all(again.heads.get(key).manifest == work.heads.get(key).manifest for key in KEYS)
    assert len(list(every_cache(data_root))) == 4 and again.states("pool").is_dir()

    # From nothing, with states: other processes, the same versions, and rewards within rounding.
    monkeypatch.setenv("SER_DATA", str(other))
    fresh, versions_with = made(other, chain.land(other, pairs))
    folder = fresh.states("seed")
    used = fresh.heads.get("seed_rm").manifest["execution"]["caches"]
    assert used == {"states": [f"{folder.parent.name}/{folder.name}"]}
    assert {key: versions_with[key] for key in ("seed_rm",)} == {"seed_rm": versions["seed_rm"]}
    for pair_id, (reward, preferred) in rewards(fresh).items():
        assert without[pair_id] == (pytest.approx(reward, abs=1e-3), preferred)

    # Removed, they are missed by nobody.
    shutil.rmtree(other / "cache")
    assert made(other, fresh.snapshot)[1] == versions_with
