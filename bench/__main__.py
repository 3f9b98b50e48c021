"""`python -m bench [--quick]`: measure, print the table, and (unless quick) write `docs/performance.md`."""

import argparse
from collections.abc import Iterator

import torch

from bench.comparisons import loops, scoring, training
from bench.measure import Comparison, table
from bench.ppo import ppo
from resources.machine import default_compute


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs of one dataset; under 8 minutes")
    quick = parser.parse_args().quick
    torch.set_num_threads(default_compute().threads)
    rows = [row.cells() for row in measured(quick)]
    print(table(rows))


def measured(quick: bool) -> Iterator[Comparison]:
    """Every comparison, in the order of the table."""
    dtype, rounds = default_compute().dtype, 5
    for dataset in ["hh_harmless"] if quick else ["hh_harmless", "sample"]:
        yield from scoring(dataset, 24 if quick else 64, rounds, dtype)
        yield from training(dataset, 32 if quick else 64, rounds, dtype)
        yield from loops(dataset, 64 if quick else 128, rounds, dtype)
    if not quick:
        yield from ppo("hh_harmless", 16, rounds)


if __name__ == "__main__":
    main()
