"""`make clean-demo` forgets one dataset and nothing else."""

from pathlib import Path

import pytest

from resources.heads import known_runs
from resources.locks import own_snapshot
from ser.errors import SerError
from ser_dagster.forget import forget
from ser_dagster.run import run
from tests import chain
from tests.pairs import labelled_rows, write_jsonl


@pytest.fixture
def two_datasets(data_root: Path, tmp_path: Path) -> Path:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    for name in ("sample", "mine"):
        chain.land(data_root, write_jsonl(tmp_path / f"{name}.jsonl", labelled_rows(300)), dataset=name)
        run(name, policy=False)
    return data_root


def test_the_other_dataset_stays_as_it_was(two_datasets: Path) -> None:
    kept = {path: path.read_bytes() for path in (two_datasets / "landing" / "mine").rglob("*") if path.is_file()}
    forget("sample")
    assert [snapshot.rpartition("-")[0] for snapshot, _ in known_runs(two_datasets)] == ["mine"]
    assert not (two_datasets / "landing" / "sample").exists()
    assert {path: path.read_bytes() for path in kept} == kept
    assert [path.name.rpartition("-")[0].rpartition("-")[0] for path in (two_datasets / "reports").iterdir()] == [
        "mine"
    ]
    # The same pairs have the same splits: what `mine` refers to was not taken from it.
    assert run("mine", policy=False)["reused"]


def test_a_dataset_that_is_being_worked_on_is_left(two_datasets: Path) -> None:
    snapshot = next(name for name, _ in known_runs(two_datasets) if name.startswith("sample-"))
    with own_snapshot(two_datasets, snapshot, "busy"), pytest.raises(SerError, match="is being worked on"):
        forget("sample")
    assert (two_datasets / "landing" / "sample").exists()
