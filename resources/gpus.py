"""The GPUs that this process sees, and what the installed torch can do with them, found out without importing torch."""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_MAJOR, _MINOR = 75, 76
"""Numbers of the attributes of a device that say its compute capability, in the CUDA driver's own interface."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver describes it."""

    name: str
    memory_bytes: int
    capability: tuple[int, int]

    @property
    def has_bfloat16(self) -> bool:
        """Whether it multiplies bfloat16 natively, and has the flash attention that goes with it: from Ampere on."""
        return self.capability >= (8, 0)


@cache
def visible_gpus() -> tuple[Gpu, ...]:
    """The GPUs that the driver shows (`CUDA_VISIBLE_DEVICES` is respected) to a torch that is built for CUDA."""
    if not _built_for_cuda():
        return ()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    return tuple(_gpu(driver, number) for number in range(count.value))


def has_varlen_attention() -> bool:
    """Whether this torch has attention of variable length that takes grouped heads."""
    version = re.match(r"(\d+)\.(\d+)", _torch_says("__version__"))
    return version is not None and (int(version[1]), int(version[2])) >= (2, 11)


def _gpu(driver: ctypes.CDLL, number: int) -> Gpu:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    major, minor = (_attribute(driver, device, which) for which in (_MAJOR, _MINOR))
    return Gpu(name.value.decode(), memory.value, (major, minor))


def _attribute(driver: ctypes.CDLL, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value


def _built_for_cuda() -> bool:
    said = _torch_says("cuda")
    return bool(said) and said != "None"


def _torch_says(name: str) -> str:
    """What torch's own version file says of a name; nothing if there is no torch."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return ""
    lines = (Path(torch.origin).parent / "version.py").read_text().splitlines()
    said = next((line for line in lines if re.match(rf"{name}\b.*=", line)), "")
    return said.rpartition("=")[2].strip().strip("'\"")
