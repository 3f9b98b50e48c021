"""The wide columns of staged rows, which no database holds: read row group by row group as they are wanted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def add_columns(wanted: pa.RecordBatchReader, path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of `wanted` with more of their columns, in the same order.

    Args:
        wanted: rows by their `seq`, which rises.
        path: a parquet table in which `seq` rises, and of which not all rows need be wanted.
        columns: those that are added.
    """
    rows = _Wanted(wanted)
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            places = file.read_row_group(number, columns=["seq"])["seq"].to_numpy()
            known = rows.take_until(int(places[-1]))
            if known.num_rows:
                indices = np.searchsorted(places, known["seq"].to_numpy())
                table = file.read_row_group(number, columns=list(columns)).take(indices)
                for name in known.column_names:
                    table = table.append_column(name, known[name])
                yield from table.combine_chunks().to_batches()


class _Wanted:
    """Rows of a reader in order, taken up to a place."""

    def __init__(self, reader: pa.RecordBatchReader):
        self._reader = reader
        self._ahead = reader.schema.empty_table()

    def take_until(self, last: int) -> pa.Table:
        """The next rows whose `seq` is at most `last`."""
        taken = []
        while True:
            end = int(np.searchsorted(self._ahead["seq"].to_numpy(), last, side="right"))
            taken.append(self._ahead.slice(0, end))
            self._ahead = self._ahead.slice(end)
            batch = None if self._ahead.num_rows else next(self._reader, None)
            if batch is None:
                return pa.concat_tables(taken)
            self._ahead = pa.Table.from_batches([batch])
