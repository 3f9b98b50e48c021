"""The first step of a landing: every row is checked by itself and laid into one staging table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.files import RawRow, UnreadableError, read_rows
from ser.pairs import keyed_hash
from ser.rows import Row, parse_row

_NUMBERS = ("seq", "file", "line")
_TEXTS = (
    *("raw", "raw_base64", "reason", "pair_id", "prompt", "response_a", "response_b", "source", "group"),
    *("metadata", "prompt_key", "group_key", "preferred", "annotator", "role"),
)
SCHEMA = pa.schema([*((name, pa.int64()) for name in _NUMBERS), *((name, pa.string()) for name in _TEXTS)])
"""A row of the files: `seq` is its place in the landing; `reason` says why it is bad, or is null."""

Reader = Callable[[Path], Iterable[RawRow]]
"""What turns a file into rows; it raises `UnreadableError` if the file as a whole is none."""

BYTES_PER_TOKEN = 20
"""A response with more bytes than this per allowed token is too long without counting its tokens."""

_BATCH_ROWS = 2048
_BATCH_BYTES = 2**25


@dataclass
class Staged:
    """What was read: the rows of every readable file, and the files that are not."""

    files: Sequence[Path]
    folder: Path
    rows: int = 0
    unreadable: dict[int, str] = field(default_factory=dict)
    empty: list[int] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Rows, with an unreadable file as one."""
        return self.rows + len(self.unreadable)

    def tables(self) -> list[Path]:
        """The parquet files with the staged rows."""
        return sorted(self.folder.glob("rows-*.parquet"))


def stage(files: Sequence[Path], folder: Path, longest_response: int, reader: Reader = read_rows) -> Staged:
    """Read `files` into parquet files in `folder`.

    Args:
        longest_response: tokens that a response may have.
    """
    staged = Staged(files, folder)
    for number, path in enumerate(files):
        target = folder / f"rows-{number:06d}.parquet"
        try:
            rows = _stage_file(reader(path), number, staged.rows, target, longest_response)
        except UnreadableError as error:
            target.unlink(missing_ok=True)
            staged.unreadable[number] = str(error)
            continue
        if not rows:
            target.unlink()
            staged.empty.append(number)
        staged.rows += rows
    return staged


def prompt_key(prompt: str) -> str:
    """The name under which it is kept what a canonical prompt is for."""
    return "p" + keyed_hash("prompt", prompt)[:24]


def group_key(group: str) -> str:
    """The same of a group; it sorts before those of prompts, so that a group's draw does not depend on its prompts."""
    return "g" + keyed_hash("group", group)[:24]


def _stage_file(read: Iterable[RawRow], number: int, start: int, target: Path, longest_response: int) -> int:
    """Stage the rows of one file, and return how many there are."""
    count = 0
    with pq.ParquetWriter(target, SCHEMA, compression="lz4") as writer:
        for batch in _batches(read):
            rows = [
                {"seq": start + count + place, "file": number, **_staged_row(raw, longest_response)}
                for place, raw in enumerate(batch)
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
            count += len(rows)
    return count


def _batches(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    """Batches that are small both in rows and in bytes."""
    batch: list[RawRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.raw)
        if len(batch) == _BATCH_ROWS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _staged_row(raw: RawRow, longest_response: int) -> dict[str, Any]:
    shown = {"line": raw.line, "raw": raw.raw, "raw_base64": raw.raw_base64}
    row = raw.reason if raw.fields is None else parse_row(raw.fields)
    if not isinstance(row, Row):
        return {**shown, "reason": row}
    size = max(len(row.pair.response_a.encode()), len(row.pair.response_b.encode()))
    if size > BYTES_PER_TOKEN * longest_response:
        allowed = f"max_length allows {longest_response} tokens"
        return {**shown, "reason": f"too long to keep the responses: {size} bytes, {allowed}"}
    return {
        **shown,
        "pair_id": row.pair.pair_id,
        "prompt": row.pair.prompt,
        "response_a": row.pair.response_a,
        "response_b": row.pair.response_b,
        "source": row.source,
        "group": row.group,
        "metadata": row.metadata,
        "prompt_key": prompt_key(row.pair.prompt),
        "group_key": None if row.group is None else group_key(row.group),
        "preferred": row.preferred,
        "annotator": row.annotator,
        "role": row.role,
    }
