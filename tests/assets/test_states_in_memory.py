"""States that are kept in memory have no cost of their own: the stages that read them first took it."""

from pathlib import Path

import pytest

from resources.caches import every_cache
from resources.studies.measured_cost import ROLES, costs_of
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["host", "disk"])
def test_every_cost_is_known(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    monkeypatch.setenv("SER_COMPUTE__CACHE", place)
    pairs = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    result, work = chain.materialize(data_root, chain.land(data_root, pairs), policy=False)
    assert result.success and bool(list(every_cache(data_root))) == (place == "disk")
    seconds, costs = costs_of(work)
    assert set(costs) == set(seconds)
    for role in ROLES:
        assert (seconds[f"states/{role}"] > 0) == (place == "disk")
        assert (costs[f"states/{role}"].tokens or 0) > 0
