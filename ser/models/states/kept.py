"""States of pairs after the trunk in the memory of this process: kept as they are first computed, gone at its end.

They are found by the folder in which a cache on disk would lie, whose name says what they are of.
"""

from pathlib import Path
from typing import Literal

import torch

from ser.models.device_memory import free_bytes

Memory = Literal["gpu", "host"]
_CHUNK_BYTES = 2**28
"""Memory that a GPU reads by itself is allocated in powers of two: states share pieces of one."""


class KeptStates:
    """The states of the pairs of one table of tokens.

    Attributes:
        memory: the GPU's own, or the host's.
        room: bytes that they may take; what comes later is computed each time.
    """

    def __init__(self, memory: Memory, room: int):
        self.memory, self.room, self.used = memory, room, 0
        self._states: dict[tuple[int, int], torch.Tensor] = {}
        self._chunk = torch.empty(0)

    def read(self, number: int, first: int, tokens: int) -> torch.Tensor | None:
        """The states [tokens, H] from token `first` of a slice on, if they are kept."""
        return self._states.get((number, first))

    def keep(self, number: int, first: int, states: torch.Tensor) -> None:
        """Keep the states of a pair, as far as there is room."""
        if (number, first) in self._states or self.used + states.nbytes > self.room:
            return
        self.used += states.nbytes
        self._states[number, first] = states.clone() if self.memory == "gpu" else self._copied(states)

    def _copied(self, states: torch.Tensor) -> torch.Tensor:
        """A copy in the memory of the host; it may still be on its way, in the order of what the GPU does."""
        if len(self._chunk) < len(states) or self._chunk.dtype != states.dtype:
            rows = max(_CHUNK_BYTES // (states.shape[1] * states.element_size()), len(states))
            self._chunk = torch.empty(rows, states.shape[1], dtype=states.dtype, pin_memory=states.is_cuda)
        copy, self._chunk = self._chunk[: len(states)], self._chunk[len(states) :]
        return copy.copy_(states, non_blocking=True)


_KEPT: dict[Path, KeptStates] = {}


def keep_states(folder: Path, memory: Memory, room: int) -> None:
    """Keep the states that a cache in `folder` would have from now on."""
    _KEPT.setdefault(folder, KeptStates(memory, room))


def kept_states(folder: Path) -> KeptStates | None:
    """What is kept instead of a cache in `folder`, if anything is."""
    return _KEPT.get(folder)


def forget_states() -> None:
    """Free all of that memory."""
    _KEPT.clear()


def promised_bytes(memory: Memory) -> int:
    """What those that are kept may still take."""
    return sum(kept.room - kept.used for kept in _KEPT.values() if kept.memory == memory)


def room_on_gpu(device: torch.device) -> int:
    """Bytes of a GPU that nobody has, and nobody was promised."""
    return free_bytes(device) - promised_bytes("gpu")
