"""A reader of the audit database fails no run: what it keeps out comes with the next one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from resources.audit.database import AuditDatabase, query
from ser_dagster.cli import main
from ser_dagster.dagster_instance import instance
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

HOLD = "import duckdb, sys; c = duckdb.connect({path!r}, read_only={read}); print(1, flush=True); sys.stdin.read()"
RUN = ["run", "--no-policy", "--loops", "1"]


@contextmanager
def held(path: Path, read: bool) -> Iterator[None]:
    """Another process has the database open."""
    code = HOLD.format(path=str(path), read=read)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        yield
        holder.stdin.close()


def last_check(name: str = "audit_equals_parquet") -> tuple[bool, dg.AssetCheckSeverity]:
    """Whether the last check of the audit passed, and how serious it is."""
    key = dg.AssetCheckKey(dg.AssetKey("audit_sync"), name)
    with instance() as current:
        (record,) = current.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    return evaluation.passed, evaluation.severity


def first_row(asset: str) -> tuple[str, str]:
    """The first metadata row of the last materialisation of an asset."""
    with instance() as current:
        event = current.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None and event.asset_materialization is not None
    name, row = next(iter(event.asset_materialization.metadata.items()))
    return name, str(row.value)


@pytest.mark.parametrize("read", [True, False])
def test_whoever_holds_the_file_during_the_first_run_of_a_snapshot_fails_nothing(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], read: bool
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(data_root / "dagster"))
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    pairs = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    assert main(["land", str(pairs), "--dataset", "tiny"]) == 0
    path = data_root / "audit.duckdb"
    with AuditDatabase(path).writing():
        pass
    with held(path, read):
        assert main(RUN) == 0
    said = capsys.readouterr()
    assert f"audit: {'The audit knows no evolution' if read else path}" in said.err
    assert "Traceback" not in said.err
    assert "the report               comes with the next run" in said.out
    assert query(path, "SELECT count(*) FROM evolutions")[1] == [(0,)]
    for name in ("audit_equals_parquet", "rewards_do_not_drift", "human_pairs_are_like_the_pool"):
        assert last_check(name) == (False, dg.AssetCheckSeverity.WARN)
    for asset in ("audit_sync", "report"):
        name, words = first_row(asset)
        assert name == "summary" and words.startswith("left to the next run: ")
    assert main(RUN) == 0
    said = capsys.readouterr()
    assert "audit:" not in said.err
    assert first_row("audit_sync")[1].endswith(" kept labels")
    assert "promoted:" in said.out
    assert query(path, "SELECT count(*) FROM loop_summary")[1] == [(2,)]
    assert last_check()[0] and last_check("human_pairs_are_like_the_pool")[0]
    assert Path(said.out.split("the report", 1)[1].strip()).exists()
