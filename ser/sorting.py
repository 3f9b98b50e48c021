"""Sorting more rows than memory holds, however wide they are: sorted runs on disk, merged as they are read.

DuckDB sorts on disk too, but holds the pages of all texts of a batch at once: wide rows exceed any bound.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RUN_BYTES = 64 * 2**20
"""What is sorted in memory at a time."""
_AHEAD_BYTES = 2**18
"""What is read of every run at a time."""


def in_order(batches: Iterable[pa.RecordBatch], by: Sequence[str], scratch: Path) -> Iterator[dict[str, Any]]:
    """The rows of `batches` sorted by the columns `by`, which hold no nulls and are unique together.

    The runs lie in a folder `.….tmp` of `scratch`, which whoever owns `scratch` clears away after a kill.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".", suffix=".tmp") as folder:
        runs = [_write_run(table, by, Path(folder) / str(number)) for number, table in enumerate(_chunks(batches))]
        yield from heapq.merge(*map(_read_run, runs), key=itemgetter(*by))


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= RUN_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _write_run(table: pa.Table, by: Sequence[str], path: Path) -> Path:
    rows = max(1, table.num_rows * _AHEAD_BYTES // max(1, table.nbytes))
    pq.write_table(table.sort_by([(name, "ascending") for name in by]), path, row_group_size=rows, compression="lz4")
    return path


def _read_run(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number).to_pylist()
