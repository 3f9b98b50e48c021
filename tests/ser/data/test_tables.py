"""Parquet tables in other orders and in counts, as plain Python would have them."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data import sorting, tables

NUMBERED = pa.schema([("pair_id", pa.string()), ("length", pa.int32())])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name means something to DuckDB's file patterns."""
    return tmp_path_factory.mktemp("odd [name] *")


@given(
    rows=st.dictionaries(st.text(max_size=6), st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=40),
    batch=st.integers(1, 7),
    fan_in=st.integers(2, 20),
)
def test_rows_come_in_order_from_many_runs(
    folder: Path, rows: dict[str, tuple[int, int]], batch: int, fan_in: int
) -> None:
    texts = [{"pair_id": key, "length": length, "text": "x" * width} for key, (length, width) in rows.items()]
    schema = NUMBERED.append(pa.field("text", pa.string()))
    batches = [pa.RecordBatch.from_pylist(texts[at : at + batch], schema) for at in range(0, len(texts), batch)]
    with patch.multiple(sorting, RUN_BYTES=4000, _AHEAD_BYTES=1500, FAN_IN=fan_in):
        got = list(sorting.in_order(batches, ["length", "pair_id"], folder))
    assert not list(folder.glob(".*.tmp"))
    assert got == sorted(texts, key=lambda row: (row["length"], row["pair_id"]))


@settings(max_examples=30)
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
