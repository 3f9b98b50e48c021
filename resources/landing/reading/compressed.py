"""The bytes of a file, compressed or not."""

import gzip
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from resources.landing.opened import OpenedFile
from resources.landing.reading.limits import COPIED_EXPANSION, Expanding, check_expansion
from resources.landing.reading.rows import HEAD

_BLOCK = 2**18


@dataclass(frozen=True)
class Source:
    """A file and how it is compressed (`gzip`, `zstd` or not at all)."""

    file: OpenedFile
    method: str | None = None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes, all members or frames one after the other, as far as they are in proportion."""
        with self.file.open() as file:
            if self.method is None:
                yield file
                return
            if self.method == "zstd":
                unpacked: Any = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
            else:
                unpacked = gzip.GzipFile(fileobj=file)
            with unpacked, io.BufferedReader(Expanding(unpacked, self.file.size), _BLOCK) as stream:
                yield stream

    @contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """The same for a reader that moves about in the file: a decompressed copy, which no crash leaves behind.

        Raises:
            OSError: there is no room for the copy.
        """
        if self.method is None:
            with self.file.open() as file:
                yield file
            return
        with tempfile.TemporaryFile(buffering=0) as copy:
            with self.open() as stream:
                while block := stream.read(_BLOCK):
                    check_expansion(copy.tell(), self.file.size, COPIED_EXPANSION)
                    self._write(copy, block)
            copy.seek(0)
            yield copy

    def _write(self, copy: IO[bytes], block: bytes) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[copy.write(left) :]
        except OSError as error:
            where = f"{tempfile.gettempdir()}, where it is decompressed (TMPDIR)"
            raise OSError(error.errno, f"{error.strerror} in {where}", str(self.file.path)) from error

    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(HEAD)
