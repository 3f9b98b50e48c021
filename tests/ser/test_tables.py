"""Parquet tables in other orders and in counts, as plain Python would have them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser import tables

NUMBERED = pa.schema([("pair_id", pa.string()), ("length", pa.int32())])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name means something to DuckDB's file patterns."""
    return tmp_path_factory.mktemp("odd [name] *")


@given(
    rows=st.dictionaries(st.text("abc123", min_size=1, max_size=6), st.integers(0, 9), max_size=40),
    share=st.floats(0, 1),
)
def test_rows_come_in_order_without_the_taken_ones(folder: Path, rows: dict[str, int], share: float) -> None:
    taken = sorted(rows)[: int(share * len(rows))]
    path, gone = folder / "rows.parquet", folder / "taken.parquet"
    tables.write(path, NUMBERED, ({"pair_id": key, "length": value} for key, value in rows.items()))
    tables.write(gone, NUMBERED, ({"pair_id": key, "length": 0} for key in taken))
    got = [(row["length"], row["pair_id"]) for row in tables.in_order(path, "length, pair_id", [gone])]
    assert got == sorted((value, key) for key, value in rows.items() if key not in taken)


@given(st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), max_size=60))
def test_values_are_counted_between_edges(folder: Path, values: list[float]) -> None:
    path = folder / "values.parquet"
    tables.write(path, pa.schema([("v", pa.float64())]), ({"v": value} for value in values))
    edges, counts = tables.binned(path, "v", bins=8)
    assert sum(counts) == len(values)
    assert len(edges) == 9
    if values:
        assert edges[0] == min(values)
        assert edges[-1] == pytest.approx(max(values)) or min(values) == max(values)
        inside = np.searchsorted(edges, np.array(values), side="right") - 1
        # A value within rounding of an edge may be counted on either side of it.
        assert np.abs(np.cumsum(counts) - np.cumsum(np.bincount(inside.clip(0, 7), minlength=8))).max() <= sum(
            min(abs(value - edge) for edge in edges) < 1e-9 * (1 + abs(value)) for value in values
        )
