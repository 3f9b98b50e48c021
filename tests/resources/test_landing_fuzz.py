"""Damaged files of every kind: no crash, and every row is accounted for. `make reliability` does more of it."""

from pathlib import Path

from reliability.fuzz import fuzz


def test_every_row_of_damaged_files_is_accounted_for(tmp_path: Path):
    found = fuzz(tmp_path, 300, seed=0)
    assert found.files == 300
    assert found.rows["read"] == found.rows["landed"] + found.rows["duplicates"] + found.rows["quarantined"]
    assert min(found.rows.values()) > 20
    assert min(found.kinds.values()) == 75
