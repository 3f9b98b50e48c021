"""Time, memory and the ceiling of a device."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

_GB = 1e9


@dataclass
class Measured:
    """Work that was repeated: the median of its seconds, what came out last, and the most memory that it took."""

    seconds: float
    result: Any
    gb: float | None


@dataclass(frozen=True)
class Clock:
    """Synchronised wall time on a device."""

    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device computes while the host goes on."""
        return self.device.type == "cuda"

    def synchronize(self) -> None:
        """Wait until the device has done all it was told."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def now(self) -> float:
        """Seconds, after all that was told so far."""
        self.synchronize()
        return time.perf_counter()

    def forget_peak(self) -> None:
        """Free what nobody holds, and count the most memory from here on."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
        self._count_anew()

    def peak_gb(self) -> float | None:
        """The most that was allocated."""
        return torch.cuda.max_memory_allocated() / _GB if self.on_gpu else None

    def measure(self, jobs: Mapping[str, Callable[[], Any]], rounds: int, patience: float) -> dict[str, Measured]:
        """Each job once to warm up, then `rounds` times in turns, and fewer once `patience` seconds are over."""
        begun, peaks, results = time.perf_counter(), {}, {}
        self.forget_peak()
        for name, job in jobs.items():
            self._count_anew()  # and free nothing: what a job has allocated is there when it is timed
            results[name] = job()
            self.synchronize()
            peaks[name] = self.peak_gb()
        seconds: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(rounds):
            if number and time.perf_counter() - begun > patience:
                break
            for name, job in jobs.items():
                before = self.now()
                results[name] = job()
                seconds[name].append(self.now() - before)
        return {name: Measured(median(seconds[name]), results[name], peaks[name]) for name in jobs}

    def _count_anew(self) -> None:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()

    def ceiling(self, dtype: torch.dtype) -> float:
        """FLOP/s of a large matrix product."""
        size, times = (8192, 12) if self.on_gpu else (512, 4)
        a, b = (torch.randn(size, size, device=self.device, dtype=dtype) for _ in range(2))
        out = torch.empty_like(a)

        def multiply() -> None:
            for _ in range(times):
                torch.matmul(a, b, out=out)

        return times * 2 * size**3 / self.measure({"product": multiply}, 3, 10)["product"].seconds
