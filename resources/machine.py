"""What this machine can do, found out without importing torch."""

import os
import platform
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from resources.gpus import has_varlen_attention, visible_gpus
from ser.data.batches import TOKENS
from ser.errors import SerError
from ser.models.nf4 import require_bitsandbytes
from ser.specs import Arithmetic, Cache, Execution, Spec

_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container says how much memory it has."""


class Compute(Spec):
    """Where and with which numbers is computed, as the settings say it: chosen once, at the door."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="of all that trains, scores or generates: cpu, cuda, or auto: a GPU where there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of the frozen weights: float32, bfloat16, or auto: bfloat16 on a GPU from Ampere on and on "
        "processors that multiply it faster (AMX-BF16, AMD's AVX512-BF16), float32 on all others",
    )
    weights: Literal["full", "nf4"] = Field(
        "full",
        description="of the layers under the adapters: full, or nf4: in 4 bits (QLoRA), for a model that fits no card",
    )
    threads: int | None = Field(None, ge=1, description="of the processor; default: all cores; part of no version")
    batch_tokens: int | None = Field(
        None,
        ge=32,
        description="tokens a batch, padded; default 768, on a GPU as many as its memory allows; part of no version",
    )
    cache: Cache = Field(
        "auto",
        description="of the states after the frozen layers: gpu, host (their memory), disk, none, or auto: disk, with "
        "a GPU wherever it costs least (docs/gpu.md); part of no version",
    )

    @field_validator("dtype", mode="before")
    @classmethod
    def _not_half(cls, value: Any) -> Any:
        if value in ("float16", "fp16", "half"):
            raise ValueError(
                "float16 overflows above 65,504, which the states of published models exceed, and small updates "
                "vanish in it: use bfloat16, or float32 on a GPU that has none"
            )
        return value

    @property
    def arithmetic(self) -> Arithmetic:
        """What the numbers depend on, on this machine."""
        device = self._device()
        dtype = self.dtype if self.dtype != "auto" else _dtype(device)
        attention = _attention(device, dtype)
        return Arithmetic(device=device, dtype=dtype, attention=attention, weights=self.weights)

    @property
    def execution(self) -> Execution:
        """All else, on this machine."""
        tokens = TOKENS if self.batch_tokens is None and self._device() == "cpu" else self.batch_tokens
        return Execution(threads=self.threads or len(os.sched_getaffinity(0)), batch_tokens=tokens, cache=self.cache)

    @property
    def pads_on_gpu(self) -> bool:
        """Whether a GPU takes padded pairs, which is slower than it could be."""
        return self.arithmetic.device == "cuda" and self.arithmetic.attention != "varlen"

    @property
    def words(self) -> str:
        """On what is computed, and how, in a line."""
        arithmetic, gpus = self.arithmetic, visible_gpus()
        if arithmetic.device == "cpu":
            unused = f"; {_count(len(gpus))} not used: compute.device is cpu" if gpus else ""
            return f"computes on {processor_name()} in {arithmetic.dtype}{unused}"
        how = "pairs one after another" if arithmetic.attention == "varlen" else f"pairs padded: {_why_padded(self)}"
        others = f" (the first of {len(gpus)} GPUs)" if len(gpus) > 1 else ""
        return f"computes on {gpus[0].name}{others} in {arithmetic.dtype}, {how}"

    def resolved(self) -> "Compute":
        """The same without `auto`: what is recorded means the same on another machine.

        Raises:
            SerError: a GPU was asked for, and there is none, or it has no such numbers; or 4 bits, and what they need
                is not installed.
        """
        if self.weights == "nf4":
            require_bitsandbytes()
        if self.device == "cuda" and not visible_gpus():
            raise SerError(
                "setting 'compute.device' is impossible: there is no CUDA device that this torch can use.\n"
                'Set it to "cpu" or "auto", or install torch for CUDA and look at what nvidia-smi says.'
            )
        arithmetic, threads = self.arithmetic, self.execution.threads
        if arithmetic.device == "cpu" and self.cache == "gpu":
            raise SerError(
                "setting 'compute.cache' is impossible: a run on a processor has no memory of a GPU.\n"
                'Set it to "auto", "host", "disk" or "none".'
            )
        if arithmetic.device == "cuda" and arithmetic.dtype == "bfloat16" and not visible_gpus()[0].has_bfloat16:
            raise SerError(
                f"setting 'compute.dtype' is impossible: {visible_gpus()[0].name} does not multiply bfloat16.\n"
                'Set it to "float32" or "auto", or use a GPU of the Ampere generation or later.'
            )
        return self.model_copy(update={"device": arithmetic.device, "dtype": arithmetic.dtype, "threads": threads})

    def _device(self) -> Literal["cpu", "cuda"]:
        if self.device == "auto":
            return "cuda" if visible_gpus() else "cpu"
        return self.device


def _dtype(device: str) -> Literal["float32", "bfloat16"]:
    """bfloat16 where it is multiplied faster than float32."""
    gpus = visible_gpus() if device == "cuda" else ()
    fast = any(gpu.has_bfloat16 for gpu in gpus[:1]) if device == "cuda" else has_fast_bfloat16()
    return "bfloat16" if fast else "float32"


def _attention(device: str, dtype: str) -> Literal["grouped", "sdpa", "varlen"]:
    if device == "cpu":
        return "grouped"
    return "varlen" if dtype == "bfloat16" and has_varlen_attention() else "sdpa"


def _why_padded(compute: Compute) -> str:
    if compute.arithmetic.dtype != "bfloat16":
        return "attention of variable length has no float32"
    return "attention of variable length needs torch 2.11"


def _count(gpus: int) -> str:
    return "a GPU is" if gpus == 1 else f"{gpus} GPUs are"


def memory_bytes() -> int:
    """The memory of this machine, or as much of it as the control group of this process may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = [path.read_text().strip() for path in map(Path, _GROUP_LIMITS) if path.exists()]
    return min([machine, *(int(text) for text in allowed if text.isdigit())])


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32: with AMX, or with AMD's AVX512-BF16.

    Intel's AVX512-BF16 without AMX takes twice as long (docs/performance.md).
    """
    flags = _processor_flags()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and _processor("vendor_id") == "AuthenticAMD")


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
