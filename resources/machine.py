"""What this machine can do, found out without importing torch."""

import os
from pathlib import Path

from ser.specs import Compute


def default_compute() -> Compute:
    """bfloat16 where the processor multiplies it natively; elsewhere float32, which is faster there."""
    fast = bool({"avx512_bf16", "amx_bf16"} & _processor_flags())
    return Compute(dtype="bfloat16" if fast else "float32", threads=len(os.sched_getaffinity(0)))


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux: nothing is known, so nothing is assumed
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
