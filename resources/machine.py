"""What this machine can do, found out without importing torch."""

import ctypes
import os
import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field

from ser.errors import SerError
from ser.specs import Arithmetic, Execution, Spec

_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container says how much memory it has."""


class Compute(Spec):
    """Where and with which numbers is computed, as the settings say it: chosen once, at the door."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the frozen weights; auto: bfloat16 where the device has it"
    )
    threads: int | None = Field(None, ge=1, description="of the processor; default: all cores; part of no version")
    batch_tokens: int = Field(768, ge=32, description="padded tokens a batch; part of no version")

    @property
    def arithmetic(self) -> Arithmetic:
        """What the numbers depend on, on this machine."""
        device = _device(self.device)
        dtype = self.dtype if self.dtype != "auto" else _dtype(device)
        return Arithmetic(device=device, dtype=dtype, attention="grouped" if device == "cpu" else "sdpa")

    @property
    def execution(self) -> Execution:
        """All else, on this machine."""
        return Execution(threads=self.threads or len(os.sched_getaffinity(0)), batch_tokens=self.batch_tokens)

    def resolved(self) -> "Compute":
        """The same without `auto`: what is recorded means the same on another machine.

        Raises:
            SerError: a GPU was asked for, and there is none.
        """
        if self.device == "cuda" and not _has_cuda():
            raise SerError(
                "setting 'compute.device' is impossible: there is no CUDA device that this torch can use.\n"
                'Set it to "cpu" or "auto", or install torch for CUDA and look at what nvidia-smi says.'
            )
        arithmetic, threads = self.arithmetic, self.execution.threads
        return self.model_copy(update={"device": arithmetic.device, "dtype": arithmetic.dtype, "threads": threads})


def _device(asked: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    if asked == "auto":
        return "cuda" if _has_cuda() else "cpu"
    return asked


def _dtype(device: str) -> Literal["float32", "bfloat16"]:
    """bfloat16 where it is multiplied natively; on other processors float32 is faster."""
    fast = device == "cuda" or bool({"avx512_bf16", "amx_bf16"} & _processor_flags())
    return "bfloat16" if fast else "float32"


@cache
def _has_cuda() -> bool:
    """Whether torch is built for CUDA and the driver shows a device (`CUDA_VISIBLE_DEVICES` is respected)."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    built_for = (Path(torch.origin).parent / "version.py").read_text()
    if not any(line.startswith("cuda") and not line.endswith("None") for line in built_for.splitlines()):
        return False
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def memory_bytes() -> int:
    """The memory of this machine, or as much of it as the control group of this process may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = [path.read_text().strip() for path in map(Path, _GROUP_LIMITS) if path.exists()]
    return min([machine, *(int(text) for text in allowed if text.isdigit())])


def processor_name() -> str:
    """The processor as its maker calls it, or the kind of machine where the system does not say."""
    return _processor("model name") or platform.machine()


def _processor_flags() -> set[str]:
    return set(_processor("flags").split())


def _processor(field: str) -> str:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux: nothing is known, so nothing is assumed
        return ""
    line = next((line for line in text.splitlines() if line.startswith(field)), "")
    return line.partition(":")[2].strip()
