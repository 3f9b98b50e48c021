"""What a program has written to a pseudo-terminal."""

import os
from contextlib import suppress


def read_to_end(ours: int) -> str:
    """All that was written to the other side, which is closed; this side is closed too."""
    shown = b""
    with suppress(OSError):  # which is how the end is told
        while read := os.read(ours, 1 << 16):  # what is there, which need not be all yet
            shown += read
    os.close(ours)
    return shown.decode()
