"""Optimiser steps of a `transformers.Trainer`, of whichever side, and what they took."""

from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from bench.gpu.timing import Clock


class Stopwatch(TrainerCallback):
    """Looks at the clock after every optimiser step."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._stops: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The device has done the step."""
        self._stops.append(self._clock.now())

    def seconds_after(self, steps: int) -> float:
        """What came after the first `steps` steps, which warm up."""
        return self._stops[-1] - self._stops[steps - 1]


@dataclass(frozen=True)
class Steps:
    """A measured training: pairs a second after the warm-up, the most memory, and the losses that were logged."""

    pairs_a_second: float
    gb: float | None
    losses: list[float]


def run_steps(trainer: Any, watch: Stopwatch, clock: Clock, warm_steps: int, pairs: int) -> Steps:
    """Train; `pairs` are those of all steps but the first `warm_steps`."""
    clock.forget_peak()
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Steps(pairs / watch.seconds_after(warm_steps), clock.peak_gb(), losses)
