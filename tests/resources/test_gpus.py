"""What a GPU is used for, with which numbers: found out from the driver, chosen at the door, said in a line."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources import gpus, machine
from resources.gpus import Gpu, visible_gpus
from resources.machine import Compute
from resources.settings_file import load_settings
from ser.errors import SerError

H100 = Gpu("NVIDIA H100 80GB HBM3", 85_000_000_000, (9, 0))
T4 = Gpu("Tesla T4", 16_000_000_000, (7, 5))


class FakeDriver:
    """The CUDA driver's library, as far as it is asked."""

    def __init__(self, *devices: Gpu, failure: int = 0):
        self._devices, self._failure = devices, failure

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's own name
        return self._failure

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._devices)
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:  # noqa: N802
        name.value = self._devices[device.value].name.encode()[: size - 1]
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, device: ctypes.c_int) -> int:  # noqa: N802
        memory._obj.value = self._devices[device.value].memory_bytes
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = self._devices[device.value].capability[which - 75]
        return 0


@pytest.fixture(autouse=True)
def look_again() -> Iterator[None]:
    visible_gpus.cache_clear()
    yield
    visible_gpus.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, driver: Any, *, torch: str = "2.13.0+cu130", cuda: str = "13.0") -> None:
    """Let a torch and a driver be there."""
    said = {"__version__": torch, "cuda": cuda}
    monkeypatch.setattr(gpus, "_torch_says", said.__getitem__)

    def load(name: str) -> Any:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    monkeypatch.setattr(gpus.ctypes, "CDLL", load)
    monkeypatch.setattr(machine, "_processor_flags", lambda: set())
    monkeypatch.setattr(machine, "processor_name", lambda: "a processor")


@pytest.mark.parametrize(
    ("vendor", "flags", "dtype"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        ("GenuineIntel", "avx512f avx512_bf16", "float32"),  # half as fast there as float32
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ("AuthenticAMD", "avx2", "float32"),
        ("", "", "float32"),
    ],
)
def test_a_processor_computes_in_what_it_multiplies_faster(
    monkeypatch: pytest.MonkeyPatch, vendor: str, flags: str, dtype: str
) -> None:
    monkeypatch.setattr(machine, "_processor", {"vendor_id": vendor, "flags": flags}.__getitem__)
    assert Compute(device="cpu").arithmetic.dtype == dtype


def test_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeDriver(H100, T4))
    assert visible_gpus() == (H100, T4)
    assert H100.has_bfloat16 and not T4.has_bfloat16


@pytest.mark.parametrize(
    ("driver", "cuda"),
    [(None, "13.0"), (FakeDriver(failure=100), "13.0"), (FakeDriver(), "13.0"), (FakeDriver(H100), "None")],
)
def test_without_a_driver_a_device_or_a_torch_for_it_there_is_none(
    monkeypatch: pytest.MonkeyPatch, driver: Any, cuda: str
) -> None:
    install(monkeypatch, driver, cuda=cuda)
    assert visible_gpus() == ()
    compute = Compute()
    assert (compute.arithmetic.device, compute.arithmetic.attention) == ("cpu", "grouped")
    assert compute.words == "computes on a processor in float32" and compute.execution.batch_tokens == 768
    with pytest.raises(SerError, match=r"no CUDA device .*\nSet it to"):
        Compute(device="cuda").resolved()


def test_the_installed_torch_says_what_it_is_built_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus._torch_says("__version__").startswith("2.") and gpus.has_varlen_attention()
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").touch()
    (tmp_path / "torch/version.py").write_text("__version__ = '2.10.1'\ncuda: Optional[str] = '12.8'\nhip = None\n")
    place = type("Spec", (), {"origin": str(tmp_path / "torch/__init__.py")})
    monkeypatch.setattr(gpus, "find_spec", lambda name: place)
    assert gpus._built_for_cuda() and not gpus.has_varlen_attention()


def test_a_gpu_is_used_in_bfloat16_without_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeDriver(H100, H100))
    compute = Compute().resolved()
    assert compute.arithmetic.model_dump(include={"device", "dtype", "attention"}) == {
        "device": "cuda", "dtype": "bfloat16", "attention": "varlen",
    }  # fmt: skip
    assert compute.execution.batch_tokens is None
    assert compute.words == f"computes on {H100.name} (the first of 2 GPUs) in bfloat16, pairs one after another"
    assert (
        Compute(device="cpu").words == "computes on a processor in float32; 2 GPUs are not used: compute.device is cpu"
    )
    assert Compute(batch_tokens=4096).execution.batch_tokens == 4096


@pytest.mark.parametrize(
    ("gpu", "torch", "dtype", "why"),
    [
        (H100, "2.13.0", "float32", "attention of variable length has no float32"),
        (H100, "2.8.0", "bfloat16", "attention of variable length needs torch 2.11"),
        (T4, "2.13.0", "float32", "attention of variable length has no float32"),
    ],
)
def test_where_there_is_no_such_attention_pairs_are_padded_and_it_is_said_why(
    monkeypatch: pytest.MonkeyPatch, gpu: Gpu, torch: str, dtype: Any, why: str
) -> None:
    install(monkeypatch, FakeDriver(gpu), torch=torch)
    compute = Compute(dtype="auto" if gpu is T4 else dtype).resolved()
    assert (compute.arithmetic.dtype, compute.arithmetic.attention) == (dtype, "sdpa")
    assert compute.words == f"computes on {gpu.name} in {dtype}, pairs padded: {why}" and compute.pads_on_gpu


def test_numbers_that_the_gpu_has_not_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeDriver(T4))
    with pytest.raises(SerError, match=r"Tesla T4 does not multiply bfloat16\.\nSet it to \"float32\""):
        Compute(dtype="bfloat16").resolved()


def test_float16_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_COMPUTE__DTYPE", "float16")
    with pytest.raises(SerError, match=r"compute\.dtype.*float16 overflows above 65,504.*use bfloat16"):
        load_settings()


def test_what_a_recorded_evolution_was_computed_on_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are read on a machine without a GPU, too."""
    install(monkeypatch, FakeDriver(H100))
    recorded = load_settings()
    digest = recorded.digest
    visible_gpus.cache_clear()
    install(monkeypatch, None)
    again = type(recorded).model_validate(recorded.recorded())
    assert again.compute.arithmetic == recorded.compute.arithmetic and again.digest == digest


def test_a_processor_has_no_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    with pytest.raises(SerError, match=r"'compute.cache' is impossible.*\nSet it to \"auto\""):
        Compute(cache="gpu").resolved()
