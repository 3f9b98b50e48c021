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
from resources.landing.reading.limits import Expanding
from resources.landing.reading.rows import HEAD
from ser.errors import SerError

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
            SerError: there is no room for the copy.
        """
        if self.method is None:
            with self.file.open() as file:
                yield file
            return
        with tempfile.TemporaryFile(buffering=0) as copy:
            with self.open() as stream:
                while block := stream.read(_BLOCK):
                    self._write(copy, block)
            copy.seek(0)
            yield copy

    def _write(self, copy: IO[bytes], block: bytes) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[copy.write(left) :]
        except OSError as error:  # not the fault of the file that is read
            where = tempfile.gettempdir()
            raise SerError(
                f"{self.file.path} cannot be decompressed in {where}: {error.strerror}.\n"
                "Nothing has landed; make room there, or set TMPDIR to another folder."
            ) from error

    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(HEAD)
