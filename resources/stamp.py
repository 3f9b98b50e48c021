"""What was measured on: the machine and the versions of what both sides are made of."""

import os
from importlib import metadata

from resources.machine import has_fast_bfloat16, processor_name

PACKAGES = ("torch", "transformers", "trl", "peft")


def versions() -> str:
    """The versions of the packages that decide what a step costs."""
    return ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)


def machine() -> str:
    """The processor, its cores and its memory."""
    bf16 = "with" if has_fast_bfloat16() else "without"
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{processor_name()} {bf16} fast bf16, {len(os.sched_getaffinity(0))} cores, {gigabytes:.0f} GB"
