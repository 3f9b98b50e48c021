"""Parquet tables: their columns, and reading and writing them as streams of row groups."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ser.data.database import open_database, pattern
from ser.data.pairs import longer_wins
from ser.data.row_batches import row_batches
from ser.data.sorting import in_order

ROWS = 4096
"""Rows in a row group, unless they are wide (see `row_batches`): what is in memory at once."""

PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("prompt", pa.string()),
        ("response_a", pa.string()),
        ("response_b", pa.string()),
    ]
)
"""All that a stage sees of a pair (`prompt` is the canonical JSON of the messages)."""

LABELLED = PAIRS.append(pa.field("preferred", pa.string())).append(pa.field("unit", pa.string()))
"""A pair with a label that may be trained on or measured against (`a` or `b`), and what ties it to others: pairs of one
unit got their role together (`ser.data.role_assignment`), and are right or wrong together."""

LABELS = pa.schema([("pair_id", pa.string()), ("preferred", pa.string())])

SELF_LABELS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("reward_a", pa.float64()),
        ("reward_b", pa.float64()),
        ("p_a", pa.float64()),
        ("p_b", pa.float64()),
        ("spread", pa.float64()),
        ("confidence", pa.float64()),
        ("preferred", pa.string()),
    ]
)
"""`spread`: standard deviation of the members' scaled margins; null where one model gave the label."""

FILTERED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("preferred", pa.string()),
        ("rule", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("target", pa.float64()),
        ("weight", pa.float64()),
    ]
)

SELECTED = LABELS.append(pa.field("target", pa.float64())).append(pa.field("weight", pa.float64()))
"""A pair of the pool that is trained on: with which target (the probability that response a is better) and weight."""

ALIKE = pa.schema([("pair_id", pa.string()), ("margin", pa.float64())])
"""Calibration pairs, scored as the pool is by the same model: the reward of the response that people prefer minus the
other's. At which temperature that is a confidence, the labelling of the pool says."""

HELDOUT = pa.schema(
    [
        ("pair_id", pa.string()),
        ("split", pa.string()),
        ("preferred", pa.string()),
        ("reward_a", pa.float64()),
        ("reward_b", pa.float64()),
        ("confidence", pa.float64()),
    ]
)


def write(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> int:
    """Write `rows` to a new parquet file in row groups and return how many there were.

    The bytes depend on the rows alone, so equal tables have equal digests.
    """
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
        for batch in row_batches(rows, ROWS):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=ROWS)
            count += len(batch)
    return count


def read(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a parquet file, one row group in memory at a time."""
    with pq.ParquetFile(path) as file:
        for batch in _row_groups(file, columns):
            yield from batch.to_pylist()


def read_in_order(path: Path, by: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a parquet file sorted by the columns `by`, on disk where memory would not do."""
    with pq.ParquetFile(path) as file:
        yield from in_order(_row_groups(file), by, path.parent)


def ask(query: str, **files: Path) -> list[tuple[Any, ...]]:
    """The few rows that an SQL query over parquet files, each a view under its name, comes to."""
    with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as database:
        for name, path in files.items():
            database.read_parquet(pattern(path)).create_view(name)
        return database.sql(query).fetchall()


def binned(path: Path, values: str, bins: int = 24) -> tuple[list[float], list[int]]:
    """Edges and counts of the distribution of `values`, an SQL expression over the rows of a parquet file."""
    low, high = ask(f"SELECT min(v), max(v) FROM (SELECT {values} AS v FROM rows)", rows=path)[0]
    low, high = (0.0, 1.0) if low is None else (low, high)
    width = (high - low) / bins or 1.0
    place = f"least({bins - 1}, CAST(floor((v - {low!r}) / {width!r}) AS INTEGER))"
    found = dict(ask(f"SELECT {place} AS bin, count(*) FROM (SELECT {values} AS v FROM rows) GROUP BY bin", rows=path))
    return [low + k * width for k in range(bins + 1)], [found.get(k, 0) for k in range(bins)]


def labels(*paths: Path) -> dict[str, str]:
    """The label of each pair of labelled tables; a later table wins."""
    return {row["pair_id"]: row["preferred"] for path in paths for row in read(path, columns=LABELS.names)}


def groups(*paths: Path) -> dict[str, str]:
    """What ties each pair of labelled tables to others: its unit."""
    return {row["pair_id"]: row["unit"] for path in paths for row in read(path, columns=["pair_id", "unit"])}


def longer_is_preferred(*paths: Path) -> dict[str, float]:
    """Of each pair of tables whether the longer response is the preferred one (`ser.data.pairs.longer_wins`)."""
    columns = ["pair_id", "response_a", "response_b", "preferred"]
    return {
        row["pair_id"]: longer_wins(row["response_a"], row["response_b"], row["preferred"])
        for path in paths
        for row in read(path, columns=columns)
    }


def margins(heldout: Path, split: str) -> dict[str, float]:
    """The reward of the response that people prefer minus the other's, of each pair of a split, in their order."""
    return {
        row["pair_id"]: (row["reward_a"] - row["reward_b"]) * (1 if row["preferred"] == "a" else -1)
        for row in read(heldout)
        if row["split"] == split
    }


def right(heldout: Path, split: str) -> dict[str, bool]:
    """Whether a model ranked each pair of a split as people do (a tie is wrong), in the order of the table."""
    return {pair_id: margin > 0 for pair_id, margin in margins(heldout, split).items()}


def count(path: Path) -> int:
    """The number of rows of a parquet file, from its footer."""
    return pq.read_metadata(path).num_rows


def is_readable(path: Path) -> bool:
    """Whether there is a parquet file, as far as its footer says."""
    try:
        count(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    return True


def _row_groups(file: pq.ParquetFile, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches within a row group each: pyarrow's own fill up to ROWS over the end of narrow or wide ones."""
    for number in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=ROWS, row_groups=[number], columns=columns)
