"""Cutting rows into batches that are small in rows and in bytes: a few wide rows must not fill the memory."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BATCH_BYTES = 16 * 2**20
"""Characters of text in a batch of more than one row."""


def row_batches(
    rows: Iterable[dict[str, Any]], most_rows: int, most_bytes: int = BATCH_BYTES
) -> Iterator[list[dict[str, Any]]]:
    """The rows in batches of at most `most_rows`, and of at most `most_bytes` unless one row alone is wider.

    Where a batch ends depends on the rows alone.
    """
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        width = sum([len(value) for value in row.values() if type(value) is str])
        if batch and (len(batch) == most_rows or size + width > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += width
    if batch:
        yield batch


def table_batches(table: pa.Table, most_bytes: int) -> Iterator[pa.Table]:
    """The rows of a table in parts of at most `most_bytes` of text, unless one row alone is wider."""
    ends = np.cumsum(_widths(table))
    start = 0
    while start < table.num_rows:
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + most_bytes, side="right")))
        yield table.slice(start, end - start)
        start = end


def _widths(table: pa.Table) -> np.ndarray:
    """Bytes of every row: those of its texts, and the average of each other column."""
    widths = np.ones(table.num_rows, np.int64)
    for column in table.columns:
        if pa.types.is_string(column.type):
            widths += pc.fill_null(pc.binary_length(column), 0).to_numpy()
        else:
            widths += column.nbytes // max(1, table.num_rows)
    return widths
