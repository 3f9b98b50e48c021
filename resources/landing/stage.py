"""The first step of a landing: every row is checked by itself and laid into one staging table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from resources.disk import file_digest
from resources.landing.comparison import Row
from resources.landing.files import RawRow, UnreadableError, read_rows
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.reader import ShapeReader
from ser.data import tables
from ser.data.pairs import Pair, dialogue, keyed_hash

_NUMBERS = ("seq", "file", "line")
_TEXTS = (
    *("raw", "raw_base64", "reason", "pair_id", "prompt", "response_a", "response_b", "source", "group"),
    *("metadata", "dialogue", "preferred", "annotator", "origin", "role"),
)
SCHEMA = pa.schema([*((name, pa.int64()) for name in _NUMBERS), *((name, pa.string()) for name in _TEXTS)])
"""A pair of the files, or a row without one: `seq` is its place in the landing; `reason` says why it is bad, or is
null."""

Origin = Literal["landed", "review"]
Reader = Callable[[Path, Callable[[str], None]], Iterable[RawRow]]
"""What turns a file into rows, telling what it assumed of it; it raises `UnreadableError` if the file is none."""

_BATCH_ROWS = 2048
_BATCH_BYTES = 2**25


@dataclass
class FileReport:
    """What a file was read as, in words with the number of its rows, and what was noticed on the way."""

    name: str
    format: list[str] = field(default_factory=list)
    shapes: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    pairs: int = 0
    labelled: int = 0
    """Of those pairs."""
    unread: str | None = None
    """Why the file could not be read at all."""


@dataclass
class Staged:
    """What was read: the rows of every readable file, and what there is to say of each file."""

    files: Sequence[Path]
    folder: Path
    digests: list[str]
    reports: list[FileReport]
    rows: int = 0

    def tables(self) -> list[Path]:
        """The parquet files with the staged rows."""
        return sorted(self.folder.glob("rows-*.parquet"))

    def first_pairs(self, number: int) -> list[tuple[Pair, str | None]]:
        """The first pairs of the files, with their labels."""
        columns = ["reason", "preferred", *tables.PAIRS.names]
        rows = (row for path in self.tables() for row in tables.read(path, columns) if row.pop("reason") is None)
        return [
            (Pair(**{name: row[name] for name in tables.PAIRS.names}), row["preferred"]) for row in islice(rows, number)
        ]


def stage(
    files: Sequence[Path],
    folder: Path,
    mapping: ColumnMap,
    reader: Reader = read_rows,
    origin: Origin = "landed",
) -> Staged:
    """Read `files` into parquet files in `folder`."""
    staged = Staged(files, folder, [file_digest(path) for path in files], [FileReport(path.name) for path in files])
    for number, (path, report) in enumerate(zip(files, staged.reports, strict=True)):
        target = folder / f"rows-{number:06d}.parquet"
        shapes = ShapeReader(mapping)
        rows = _staged_rows(shapes.parse(reader(path, report.format.append)), report, number, staged.rows, origin)
        try:
            count = _write(rows, target)
        except UnreadableError as error:
            target.unlink(missing_ok=True)
            report.unread, report.pairs, report.labelled = str(error), 0, 0
            continue
        report.shapes, report.notes = dict(shapes.shapes.most_common()), dict(shapes.notes.most_common())
        report.columns = shapes.columns
        if not count:
            target.unlink()
            report.unread = "no rows in the file" if path.stat().st_size else "empty file"
        staged.rows += count
    return staged


def _write(rows: Iterable[dict[str, Any]], target: Path) -> int:
    """Write the rows of one file, and return how many there are."""
    count = 0
    with pq.ParquetWriter(target, SCHEMA, compression="lz4") as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
            count += len(batch)
    return count


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Batches that are small both in rows and in bytes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["raw"])
        if len(batch) == _BATCH_ROWS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _staged_rows(
    parsed: Iterable[tuple[RawRow, Row | str]], report: FileReport, file: int, start: int, origin: Origin
) -> Iterator[dict[str, Any]]:
    for seq, (raw, row) in enumerate(parsed, start):
        shown = {"seq": seq, "file": file, "line": raw.line, "raw": raw.raw, "raw_base64": raw.raw_base64}
        if isinstance(row, str):
            yield shown | {"reason": row}
        else:
            report.pairs += 1
            report.labelled += row.preferred is not None
            yield shown | _pair(row, origin)


def _pair(row: Row, origin: Origin) -> dict[str, Any]:
    pair = row.pair
    return {
        "pair_id": pair.pair_id,
        "prompt": pair.prompt,
        "response_a": pair.response_a,
        "response_b": pair.response_b,
        "source": row.source,
        "group": row.group,
        "metadata": row.metadata,
        "dialogue": keyed_hash("dialogue", dialogue(pair.prompt))[:24],
        "preferred": row.preferred,
        "annotator": row.annotator,
        "origin": origin,
        "role": row.role,
    }
