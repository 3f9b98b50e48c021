"""The first step of a landing: every row is checked by itself and laid into one staging table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.comparison import Row
from resources.landing.files import RawRow, UnreadableError, read_opened
from resources.landing.notes import Mark
from resources.landing.opened import ChangedError, Openable, OpenedFile
from resources.landing.reading.limits import in_time
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.reader import ShapeReader
from ser.data import tables
from ser.data.pairs import Pair, dialogue, keyed_hash
from ser.data.row_batches import row_batches
from ser.errors import SerError
from ser.terminal import one_line

_NUMBERS = ("seq", "file", "line", "raw_bytes")
_TEXTS = (
    *("raw", "raw_base64", "raw_sha256", "reason", "pair_id", "prompt", "response_a", "response_b", "source", "group"),
    *("metadata", "dialogue", "preferred", "annotator", "origin", "role"),
)
SCHEMA = pa.schema([*((name, pa.int64()) for name in _NUMBERS), *((name, pa.string()) for name in _TEXTS)])
"""A pair of the files, or a row without one: `seq` is its place in the landing; `reason` says why it is bad, or is
null. Where `raw` is only the beginning, `raw_bytes` and `raw_sha256` are of all of it."""

Origin = Literal["landed", "review"]
Reader = Callable[[OpenedFile, Callable[[str], None]], Iterable[RawRow]]
"""What turns a file into rows, telling what it assumed of it; it raises `UnreadableError` if the file is none."""

Failed = Callable[[Path, OSError], None]
"""Hears which file could not be opened, or not be read to its end, and why."""

_BATCH_ROWS = 2048
_REASON = 1000
"""Characters of a reason."""


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
    """What was read: the rows of every readable file, and what there is to say of each file.

    Attributes:
        table: the parquet file with the staged rows; of the files `left_out`, by number, they do not count.
        digests: of the files, in their order; "" of one that could not be opened.
        marks: their fingerprints; None of what could not be opened, or not be read to its end.
    """

    files: Sequence[Openable]
    table: Path
    reports: list[FileReport]
    digests: list[str]
    marks: list[Mark | None]
    left_out: list[int] = field(default_factory=list)
    rows: int = 0

    def first_pairs(self, number: int) -> list[tuple[Pair, str | None]]:
        """The first pairs of the files, with their labels."""
        columns = ["file", "reason", "preferred", *tables.PAIRS.names]
        left_out = set(self.left_out)
        rows = (
            row for row in tables.read(self.table, columns) if row["reason"] is None and row["file"] not in left_out
        )
        return [
            (Pair(**{name: row[name] for name in tables.PAIRS.names}), row["preferred"]) for row in islice(rows, number)
        ]


def fail(path: Path, error: OSError) -> None:
    """Stop at a file that cannot be read.

    Raises:
        SerError: says which, and why.
    """
    raise cannot_read(path, error.strerror) from error


def cannot_read(path: Path, reason: object) -> SerError:
    """The error that says so."""
    return SerError(f"{one_line(str(path))} cannot be read: {reason}. Nothing has landed; check the path.")


class Staging:
    """Reads files, one after the other, into one staging table."""

    def __init__(
        self,
        mapping: ColumnMap,
        reader: Reader = read_opened,
        origin: Origin = "landed",
        keep: Callable[[OpenedFile, str], None] = lambda file, reason: None,
        failed: Failed = fail,
    ):
        """Prepare to read.

        Args:
            keep: is given every file of which nothing can land, still open, and the reason.
            failed: hears which file could not be opened or read to its end, which is left out then.
        """
        self._mapping, self._reader, self._origin = mapping, reader, origin
        self._keep, self._failed = keep, failed

    def read(self, files: Sequence[Openable], folder: Path) -> Staged:
        """Read `files` into a parquet file in `folder`."""
        reports = [FileReport(file.path.name) for file in files]
        staged = Staged(files, folder / "rows.parquet", reports, [""] * len(files), [None] * len(files))
        with pq.ParquetWriter(staged.table, SCHEMA, compression="lz4") as writer:
            for batch in row_batches(self._rows(staged), _BATCH_ROWS):
                writer.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
        return staged

    def _rows(self, staged: Staged) -> Iterator[dict[str, Any]]:
        """The rows of all files; a file that fails in the end has been partly read, and is left out."""
        seqs = count()
        for number, found in enumerate(staged.files):
            try:
                file = found.open()
            except OSError as error:
                self._leave_out(staged, number)
                self._failed(found.path, error)
                continue
            with file:
                yield from self._rows_of(file, number, staged, seqs)

    def _rows_of(self, file: OpenedFile, number: int, staged: Staged, seqs: Iterator[int]) -> Iterator[dict[str, Any]]:
        report, shapes, rows = staged.reports[number], ShapeReader(self._mapping), 0
        try:
            staged.digests[number] = file.digest()
            try:
                for raw, row in in_time(shapes.parse(self._reader(file, report.format.append)), file.size):
                    rows += 1
                    yield _staged(raw, row, report, number, next(seqs), self._origin)
            except UnreadableError as error:
                report.unread = str(error)[:_REASON]
            file.check_unchanged()
        except OSError as error:
            self._leave_out(staged, number)
            self._failed(file.path, error)
            return
        if not report.unread and not rows:
            report.unread = "no rows in the file" if file.size else "empty file"
        if report.unread:
            self._leave_out(staged, number)
            try:
                self._keep(file, report.unread)
            except ChangedError as error:
                self._failed(file.path, error)
                return
        else:
            staged.rows += rows
            report.shapes, report.notes = dict(shapes.shapes.most_common()), dict(shapes.notes.most_common())
            report.columns = shapes.columns
        staged.marks[number] = file.mark

    def _leave_out(self, staged: Staged, number: int) -> None:
        staged.left_out.append(number)
        staged.reports[number].pairs = staged.reports[number].labelled = 0


def _staged(raw: RawRow, row: Row | str, report: FileReport, file: int, seq: int, origin: Origin) -> dict[str, Any]:
    shown = {"seq": seq, "file": file, **_kept(raw)}
    if isinstance(row, str):
        return shown | {"reason": row[:_REASON]}
    report.pairs += 1
    report.labelled += row.preferred is not None
    return shown | _pair(row, origin)


def _kept(row: RawRow) -> dict[str, Any]:
    """What quarantine would keep of a row."""
    row = row.shortened()
    kept = {"line": row.line, "raw": row.raw, "raw_base64": row.raw_base64}
    return kept if row.whole is None else kept | {"raw_bytes": row.whole.bytes, "raw_sha256": row.whole.sha256}


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
