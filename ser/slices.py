"""Work over many rows cut into slices before it starts, each of which is one file.

A slice is written whole (temporary, flushed, renamed), so that a killed process loses the slice in hand only, several
processes may share out the slices of one folder, and the bytes that come together are the same whoever wrote them.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

SLICE_TOKENS = 4096
"""A second or two of a processor's work: the least that a slice holds, if there is as much."""
_SHARES, _FILES, _LARGE = 64, 8192, 2**14
_CRC_OF_WHOLE = 0x2144DF1C
"""The CRC-32 of anything with its own CRC-32 behind it."""


def slice_tokens(total: int) -> int:
    """How many tokens a slice of `total` tokens holds: it depends on nothing else.

    A kill costs a second or two, or at most a 64th of the work; more than 64 slices are made where they would be large,
    for memory holds a slice, and never more than 8,192.
    """
    return max(SLICE_TOKENS, min(total // _SHARES, _LARGE), -(-total // _FILES))


class DamagedSliceError(Exception):
    """A slice is not what was written."""


class Slices:
    """The slices 0 … `count` - 1 of some work, in a folder.

    Each file ends with the CRC-32 of what it holds, which a reader may check.
    """

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder, count

    def path(self, number: int) -> Path:
        """The file of a slice."""
        return self.folder / f"{number:05}"

    def is_whole(self, number: int) -> bool:
        """Whether a slice is there and what was written."""
        try:
            with self.path(number).open("rb") as file:
                crc = 0
                while block := file.read(2**20):
                    crc = zlib.crc32(block, crc)
        except FileNotFoundError:
            return False
        return crc == _CRC_OF_WHOLE

    def missing(self, rank: int = 0, world: int = 1) -> list[int]:
        """The slices that are still to be made, or made again because they are damaged, by process `rank` of `world`.

        Every world-th slice is a process's own, whether it is there or not: so the shares of processes that look at
        different times never overlap, and together they are all.
        """
        return [number for number in range(rank, self.count, world) if not self.is_whole(number)]

    def write(self, number: int, *parts: bytes | memoryview) -> None:
        """Put a slice, what its parts hold one after the other, in place, durably."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{number:05}.tmp"
        with temporary.open("wb") as file:
            crc = 0
            for part in parts:
                file.write(part)
                crc = zlib.crc32(part, crc)
            file.write(crc.to_bytes(4, "little"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path(number))

    def read(self, number: int) -> bytes:
        """What a slice holds.

        Raises:
            DamagedSliceError: it is not what was written.
        """
        data = self.path(number).read_bytes()
        if zlib.crc32(data) != _CRC_OF_WHOLE:
            raise DamagedSliceError(f"{self.path(number)} is not what was written")
        return data[:-4]

    def read_all(self) -> Iterator[bytes]:
        """What all slices hold, in their order."""
        return map(self.read, range(self.count))
