"""How fast this machine is, from a measurement of two seconds, and how long a run will take."""

import time

from resources.machine import Compute
from ser_dagster.commands.run_costs import RunCosts
from ser_dagster.commands.run_screen import about

SECONDS = 2.0
PASS_FLOPS = 30e9
"""Floating-point operations of matrix products in the time of a training pass of the embedded model over a pair of the
sample, roughly: with it `ser demo` announced 34 minutes where its own rates came to 31 to 33 a minute later (one loop,
the machine of docs/performance.md, 2026-11-27)."""
_TOKENS, _HIDDEN, _INNER = 768, 576, 1536
"""A batch, and the layers of the embedded model."""


def training_passes_per_second(compute: Compute) -> float:
    """How many training passes (see `ser_dagster.commands.run_costs`) this machine makes a second, measured now."""
    import torch

    arithmetic = compute.arithmetic
    torch.set_num_threads(compute.execution.threads)
    how = {"dtype": getattr(torch, arithmetic.dtype), "device": arithmetic.device}
    states, weights = torch.randn(_TOKENS, _HIDDEN, **how), torch.randn(_HIDDEN, _INNER, **how)
    products, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS:
        inner = states @ weights
        states = torch.nn.functional.normalize(inner @ weights.T)
        states[0, 0].item()  # a GPU is waited for
        products += 2
    return products * 2 * _TOKENS * _HIDDEN * _INNER / passed / PASS_FLOPS


def estimate(costs: RunCosts, steps: list[str], compute: Compute) -> str:
    """How long the steps take on this machine, in a sentence."""
    speed = training_passes_per_second(compute)
    seconds = sum(map(costs.of_step, steps)) / speed
    return f"This takes {about(seconds)} here (two seconds of measuring: {speed:.1f} pairs a second)."
