"""Where the disk has no room for the states, the chain goes on without them and comes to the same labels."""

import errno
from pathlib import Path

import pytest

from resources.evolution import Evolution
from resources.settings import load_settings
from ser.data import tables
from ser.models import states
from tests import chain
from tests.pairs import labelled_rows, write_jsonl


def labels(root: Path, snapshot: str) -> dict[str, tuple[float, str]]:
    result, work = chain.materialize(root, snapshot, policy=False)
    assert result.success
    rows = tables.read(work.heads.get("loop_1/self_labels").path / "self_labels.parquet")
    return {row["pair_id"]: (row["reward_a"], row["preferred"]) for row in rows}


def test_a_disk_without_room_for_states_costs_time_only(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    pairs = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    other = tmp_path / "other"

    tried: list[object] = []

    def full(states: object) -> bytes:
        tried.append(states)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(states, "_bytes", full)
        snapshot = chain.land(data_root, pairs)
        without = labels(data_root, snapshot)
        assert len(tried) == 4  # once for each role, however many stages ask for it
        said: list[str] = []
        Evolution(data_root, load_settings(), snapshot, log_warning=said.append).trunk("test")
        assert [line for line in said if "no disk space for artifact trunk/test" in line]
    kept = {path.name for path in (data_root / "artifacts" / "trunk").rglob("*") if path.is_file()}
    assert kept == {"encoded.parquet", "manifest.json", "summary.json"}
    assert not list((data_root / "artifacts").rglob(".*.tmp"))
    monkeypatch.setenv("SER_DATA", str(other))
    with_states = labels(other, chain.land(other, pairs))
    assert (other / "artifacts" / "trunk").exists() and list((other / "artifacts" / "trunk").rglob("states.bin"))
    assert without.keys() == with_states.keys()
    for pair_id, (reward, preferred) in with_states.items():
        assert without[pair_id] == (pytest.approx(reward, abs=1e-3), preferred)
