"""What was measured on: the machine and the versions of what both sides are made of."""

import os
from importlib import metadata
from pathlib import Path

PACKAGES = ("torch", "transformers", "trl", "peft")


def versions() -> str:
    """The versions of the packages that decide what a step costs."""
    return ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)


def machine() -> str:
    """The processor, its cores and its memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    flags = next((line for line in lines if line.startswith("flags")), "")
    bf16 = "with" if {"avx512_bf16", "amx_bf16"} & set(flags.split()) else "without"
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model} {bf16} fast bf16, {len(os.sched_getaffinity(0))} cores, {gigabytes:.0f} GB"
