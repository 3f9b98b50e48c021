"""`python -m bench [--quick]`: measure, print the table, and (unless quick) write `docs/performance.md`."""

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from bench.comparisons import loops, scoring, training
from bench.measure import Comparison, table
from bench.ppo import ppo
from resources.machine import default_compute
from resources.settings import ROOT

REPORT = ROOT / "docs" / "performance.md"
ROUNDS = 5
PACKAGES = ("torch", "transformers", "trl", "peft")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs of one dataset; under 8 minutes")
    quick = parser.parse_args().quick
    torch.set_num_threads(default_compute().threads)
    rows: list[list[str]] = []
    for row in measured(quick):
        rows.append(row.cells())
        print(table(rows), flush=True)
        if not quick:
            write(rows)


def measured(quick: bool) -> Iterator[Comparison]:
    """Every comparison, in the order of the table."""
    dtype = default_compute().dtype
    for dataset in ["hh_harmless"] if quick else ["hh_harmless", "sample"]:
        yield from scoring(dataset, 24 if quick else 64, ROUNDS, dtype)
        yield from training(dataset, 16 if quick else 64, ROUNDS, dtype)
        yield from loops(dataset, 64 if quick else 128, ROUNDS, dtype)
    if not quick:
        yield from ppo("hh_harmless", 16, ROUNDS)


def write(rows: list[list[str]]) -> None:
    """Put the table, and what it was measured on, between the marks of the report."""
    text = REPORT.read_text()
    before, after = text.split("<!-- table -->")[0], text.split("<!-- end of table -->")[1]
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    day = datetime.now(UTC).date().isoformat()
    about = f"{machine()}; {versions}; {default_compute().dtype}; {day}; `make bench`, {ROUNDS} alternating rounds."
    REPORT.write_text(f"{before}<!-- table -->\n{about}\n\n{table(rows)}\n<!-- end of table -->{after}")


def machine() -> str:
    """The processor, its cores and its memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    flags = next((line for line in lines if line.startswith("flags")), "")
    bf16 = "with" if {"avx512_bf16", "amx_bf16"} & set(flags.split()) else "without"
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model} {bf16} fast bf16, {len(os.sched_getaffinity(0))} cores, {gigabytes:.0f} GB"


if __name__ == "__main__":
    main()
