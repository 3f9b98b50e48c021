"""The bytes of a file, compressed or not."""

import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from resources.landing.reading.rows import HEAD

_BLOCK = 2**18


@dataclass(frozen=True)
class Source:
    """A file and how it is compressed (`gzip`, `zstd` or not at all)."""

    path: Path
    method: str | None = None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes, all members or frames one after the other."""
        with self.path.open("rb", buffering=_BLOCK) as file:
            if self.method == "gzip":
                with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked, _BLOCK) as stream:
                    yield stream
            elif self.method == "zstd":
                frames = cast(io.RawIOBase, pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))
                with io.BufferedReader(frames, _BLOCK) as stream:
                    yield stream
            else:
                yield file

    @contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """The same for a reader that moves about in the file: a decompressed copy, which no crash leaves behind."""
        if self.method is None:
            with self.path.open("rb") as file:
                yield file
            return
        with tempfile.TemporaryFile() as copy:
            with self.open() as stream:
                shutil.copyfileobj(stream, copy, _BLOCK)
            copy.seek(0)
            yield copy

    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(HEAD)
