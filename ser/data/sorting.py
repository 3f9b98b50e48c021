"""Sorting more rows than memory holds, however wide they are: sorted runs on disk, merged as they are read.

DuckDB sorts on disk too, but holds the pages of all texts of a batch at once: wide rows exceed any bound.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RUN_BYTES = 16 * 2**20
"""What is sorted in memory at a time."""
FAN_IN = 64
"""How many runs are merged at once: each is an open file, of which a process may have a thousand."""
_AHEAD_BYTES = 2**18
"""What is read of every run at a time."""


def in_order(batches: Iterable[pa.RecordBatch], by: Sequence[str], scratch: Path) -> Iterator[dict[str, Any]]:
    """The rows of `batches` sorted by the columns `by`, which hold no nulls and are unique together.

    The runs lie in a folder `.….tmp` of `scratch`, which whoever owns `scratch` clears away after a kill.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".", suffix=".tmp") as folder:
        names = (Path(folder) / str(number) for number in count())
        runs = [_write_run(table, by, next(names)) for table in _chunks(batches)]
        while len(runs) > FAN_IN:
            runs = [_merge_runs(runs[at : at + FAN_IN], by, next(names)) for at in range(0, len(runs), FAN_IN)]
        yield from _merged(runs, by)


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


def _merge_runs(runs: Sequence[Path], by: Sequence[str], path: Path) -> Path:
    """One run of several, which are removed."""
    with pq.ParquetFile(runs[0]) as first:
        schema, rows = first.schema_arrow, first.metadata.row_group(0).num_rows
    left = _merged(runs, by)
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        while batch := list(islice(left, rows)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    for run in runs:
        run.unlink()
    return path


def _merged(runs: Sequence[Path], by: Sequence[str]) -> Iterator[dict[str, Any]]:
    return heapq.merge(*map(_read_run, runs), key=itemgetter(*by))


def _read_run(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number).to_pylist()
