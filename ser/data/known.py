"""What earlier work knows of the pairs of an `encoded.parquet`: found by identity and tokens."""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.data.database import open_database, pattern
from ser.data.encoded import count_slices


def known_rows(encoded: Path, earlier: Sequence[Path]) -> Iterator[dict[str, dict[str, Any]]]:
    """For every slice of an `encoded.parquet`, in their order, the rows of `earlier` tables about its pairs.

    The tables have a pair's `pair_id` and the `digest` of its tokens: one with other tokens is of no use, and of
    several tables the first that has a pair counts. A row has all the columns of its table, and as `source` its place
    among `earlier`. A slice's rows are in memory, and no more.
    """
    count = count_slices(encoded)
    if not earlier or not count:
        yield from ({} for _ in range(count))
        return
    each = " UNION ALL ".join(f"SELECT *, {n} AS source FROM earlier_{n}" for n in range(len(earlier)))
    query = f"""
        SELECT pairs.slice AS of_slice, known.* FROM pairs JOIN ({each}) AS known USING (pair_id, digest)
        QUALIFY row_number() OVER (PARTITION BY pairs.pair_id ORDER BY source) = 1
        ORDER BY of_slice"""
    with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as database:
        database.read_parquet(pattern(encoded)).create_view("pairs")
        for number, path in enumerate(earlier):
            database.read_parquet(pattern(path)).create_view(f"earlier_{number}")
        batches = database.sql(query).to_arrow_reader(tables.ROWS)
        rows = (row for batch in batches for row in batch.to_pylist())
        done = 0
        for number, group in groupby(rows, key=lambda row: row["of_slice"]):
            yield from ({} for _ in range(done, number))
            yield {row["pair_id"]: row for row in group}
            done = number + 1
        yield from ({} for _ in range(done, count))
