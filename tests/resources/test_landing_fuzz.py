"""Damaged files of every kind: no crash, and every row is accounted for. `make reliability` does more of it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reliability.fuzz import fuzz
from resources.landing.files import UnreadableError, read_rows


def test_every_row_of_damaged_files_is_accounted_for(tmp_path: Path):
    found = fuzz(tmp_path, 300, seed=0)
    assert found.files == 300
    assert found.rows["read"] == found.rows["landed"] + found.rows["duplicates"] + found.rows["quarantined"]
    assert min(found.rows.values()) > 10
    assert len(found.kinds) == 21 and min(found.kinds.values()) == 14


def test_a_damaged_parquet_file_has_all_of_its_rows_or_is_unreadable(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.parquet", tmp_path / "damaged.parquet"
    rows = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), whole, compression="none")
    data, counts = whole.read_bytes(), set()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        try:
            found = len(list(read_rows(path)))
        except UnreadableError:
            continue
        announced = pq.read_metadata(path)
        counts.add(found)
        assert found == sum(announced.row_group(group).num_rows for group in range(announced.num_row_groups)), place
    assert 3 in counts
