"""When a training is saved, so that a kill costs little, and where what it saved lies."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback

_SAVE_EVERY = 20
"""Steps between checkpoints, at most."""
_SHARE = 0.05
"""Of a training's time that saving it may take where a step takes less than its checkpoint."""


def save_every(steps: int) -> int:
    """Steps between the checkpoints of a training: what a kill costs, with the step in hand, is less than a tenth.

    Up to 20 steps, of which two are a tenth, it is the step in hand and the one before.
    """
    return max(1, min(_SAVE_EVERY, (steps - 1) // 10 - 1))


class SaveInTime(TrainerCallback):
    """Saves every so many steps, unless that would take too large a share of the time: on a GPU a step of an adapter of
    half a gigabyte takes no longer than writing it."""

    def __init__(self, every: int, clock: Callable[[], float] = time.monotonic):
        self._every, self._clock = every, clock
        self._began = self._saved = clock()
        self._took = 0.0

    def on_step_end(self, args, state, control, **kwargs):
        """Ask for a checkpoint where one is due."""
        now = self._clock()
        if state.global_step % self._every == 0 and (now - self._saved) * _SHARE >= self._took:
            control.should_save, self._began = True, now

    def on_save(self, args, state, control, **kwargs):
        """Learn what it took."""
        self._saved = self._clock()
        self._took = self._saved - self._began


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint: its state file is written last, so a kill while saving leaves it out."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
            continue
        return str(checkpoint)
    return None
