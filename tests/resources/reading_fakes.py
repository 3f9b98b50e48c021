"""What the tests of the readers share: writing a file's bytes, and what is read of them."""

import gzip
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from resources.landing.files import RawRow, read_rows


class Read(NamedTuple):
    """What came of a file: its rows, and what was told."""

    rows: list[RawRow]
    told: list[str]

    @property
    def fields(self) -> list[dict[str, Any] | None]:
        return [row.fields for row in self.rows]

    @property
    def reasons(self) -> list[str | None]:
        return [row.reason for row in self.rows]

    @property
    def lines(self) -> list[int]:
        return [row.line for row in self.rows]


def zstd(data: bytes) -> bytes:
    """One frame of zstd."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def written(path: Path, data: str | bytes) -> Path:
    """A file with this content, compressed if its name says so."""
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    packed = {".gz": lambda data: gzip.compress(data, 1, mtime=0), ".zst": zstd}.get(path.suffix)
    path.write_bytes(packed(data) if packed else data)
    return path


def read(path: Path, data: str | bytes | None = None) -> Read:
    """What is read of a file, which first gets this content."""
    if data is not None:
        written(path, data)
    told: list[str] = []
    return Read(list(read_rows(path, told.append)), told)
