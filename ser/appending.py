"""A binary file that grows batch by batch, and that a killed run continues instead of writing it again."""

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from ser.kept import keep_as, write_text

SYNC_SECONDS, SYNC_SHARE = 1.0, 0.04
"""How much work a kill may cost: what is in the file for longer, or is more of the whole, is sure to survive it."""


class GrowingFile:
    """A file of batches whose bytes are the same with and without kills.

    Beside it lies a mark that says how many batches, and bytes, are safely in it: what comes after them is cut off
    and written again.

    Attributes:
        batches: how many are in the file.
        size: bytes of these batches.
    """

    def __init__(self, path: Path):
        self._path, self._mark = path, keep_as(path.parent, f"{path.name}.mark")
        known = json.loads(self._mark.read_text()) if self._mark.exists() else {"batches": 0, "size": 0}
        self.batches, self.size = known["batches"], known["size"]
        self._file: IO[bytes]
        self._synced = self._unsure = 0.0

    def __enter__(self) -> "GrowingFile":
        self._file = self._path.open("r+b" if self.batches else "wb")
        self._file.truncate(self.size)
        self._file.seek(0, os.SEEK_END)
        self._synced = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._sync()
        self._file.close()

    def add(self, data: bytes, share: float) -> None:
        """Write the next batch, which is so much of all the work (0 to 1)."""
        self._file.write(data)
        self.batches, self.size, self._unsure = self.batches + 1, self.size + len(data), self._unsure + share
        if self._unsure >= SYNC_SHARE or time.monotonic() - self._synced >= SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        write_text(self._mark, json.dumps({"batches": self.batches, "size": self.size}))
        self._synced, self._unsure = time.monotonic(), 0.0
