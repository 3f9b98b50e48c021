"""Sorting more rows than memory holds, however wide they are: sorted runs on disk, merged as they are read.

DuckDB sorts on disk too, but holds the pages of all texts of a batch at once: wide rows exceed any bound.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ser.data.row_batches import row_batches, table_batches

RUN_BYTES = 16 * 2**20
"""What is sorted in memory at a time."""
FAN_IN = 64
"""How many runs are merged at once: each is an open file, of which a process may have a thousand."""
_AHEAD_BYTES, _AHEAD_ROWS = 2**18, 4096
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
    with pq.ParquetWriter(path, table.schema, compression="lz4") as writer:
        for part in table_batches(table.sort_by([(name, "ascending") for name in by]), _AHEAD_BYTES):
            writer.write_table(part)
    return path


def _merge_runs(runs: Sequence[Path], by: Sequence[str], path: Path) -> Path:
    """One run of several, which are removed."""
    with pq.ParquetFile(runs[0]) as first:
        schema = first.schema_arrow
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in row_batches(_merged(runs, by), _AHEAD_ROWS, _AHEAD_BYTES):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    for run in runs:
        run.unlink()
    return path


def _merged(runs: Sequence[Path], by: Sequence[str]) -> Iterator[dict[str, Any]]:
    for _, row in heapq.merge(*(_read_run(run, by) for run in runs), key=itemgetter(0)):
        yield row if isinstance(row, dict) else row.to_pylist()[0]


def _read_run(path: Path, by: Sequence[str]) -> Iterator[tuple[Any, dict[str, Any] | pa.Table]]:
    """The rows of a run, each behind what it is sorted by.

    A row that may be wide, because it stands alone in its row group, stays as it is until its turn: as values of
    Python it takes up to four times as much, and one waits in every run.
    """
    key = itemgetter(*by)
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            if table.num_rows == 1:
                yield key(table.select(by).to_pylist()[0]), table
            else:
                yield from ((key(row), row) for row in table.to_pylist())
