"""What the audit says of a run that ended at the gate, where an earlier run has left loops."""

from pathlib import Path

from audit_fakes import behind_a_closed_gate, record

from resources.audit.database import AuditDatabase, query
from resources.audit.sync import EvolutionRecord, matches_parquet, sync

TABLES = ("self_labels", "status_reports", "policies", "policy_samples")


def counts(root: Path, run: EvolutionRecord) -> list[int]:
    """The rows of `TABLES`, once the run is in the database."""
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    assert matches_parquet(database, run) == []
    return [query(database.path, f"SELECT count(*) FROM {table}")[1][0][0] for table in TABLES]


def test_what_stands_behind_a_closed_gate_leaves_the_tables(tmp_path: Path) -> None:
    assert counts(tmp_path, record(tmp_path)) == [13, 2, 1, 4]
    assert counts(tmp_path, behind_a_closed_gate(tmp_path))[:2] == [0, 1]
    rows = query(tmp_path / "audit.duckdb", "SELECT loop, status, n_pool, n_kept FROM status_reports")[1]
    assert rows == [(1, "gate_not_shown", None, 0)]
    promoted = query(tmp_path / "audit.duckdb", "SELECT loop, why FROM loop_summary WHERE promoted")[1]
    assert promoted == [(0, "no loop was run: the seed RM is not shown to be better than a coin")]


def test_a_gate_that_was_closed_for_an_earlier_seed_model_says_nothing_of_this_one(tmp_path: Path) -> None:
    assert counts(tmp_path, behind_a_closed_gate(tmp_path, decided_on="v-held-of-another")) == [13, 2, 1, 4]
