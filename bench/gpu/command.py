"""The command line of `python -m bench gpu`."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.gpu import __doc__ as described
from bench.gpu.bench import Bench, BrokenContext, run_sections
from bench.gpu.rows import Journal
from bench.gpu.sections import SECTIONS
from bench.gpu.table import missing, report
from bench.gpu.timing import Clock
from bench.marks import put_between_marks
from resources.stamp import machine, versions

BROKEN = 3
"""Exit status of a run after which the same command goes on with the next section."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, or write the table of what was measured."""
    begun = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m bench gpu", description=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="two small layers in float32 on the processor")
    parser.add_argument("--seconds", type=float, default=540, help="of all sections together (default %(default)s)")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-gpu"), help="folder of the rows (default %(default)s)")
    parser.add_argument("--table", type=Path, metavar="FOLDER", help="write its rows into docs/performance.md")
    options = parser.parse_args(arguments)
    if options.table is not None:
        put_between_marks("gpu", report(Journal(options.table)))
        return
    names = options.only.split(",")
    if unknown := set(names) - SECTIONS.keys():
        parser.error(f"there is no section {min(unknown)}; there are {', '.join(SECTIONS)}")
    if not options.tiny and not torch.cuda.is_available():
        parser.error("there is no GPU that this torch can use; --tiny tries the code without one")
    device = torch.device("cpu" if options.tiny else "cuda")
    journal, clock = Journal(options.out), Clock(device)
    bench = Bench(clock, journal, options.tiny)
    try:
        journal.begin(machine() if options.tiny else torch.cuda.get_device_name(), versions(), bench.ceiling)
    except ValueError as error:
        parser.error(str(error))
    try:
        run_sections(bench, {name: SECTIONS[name] for name in names}, begun + options.seconds)
    except BrokenContext as broken:
        raise SystemExit(BROKEN) from broken
    written = Journal(options.out)
    print(report(written), flush=True)
    if left := missing(written, names):
        print(f"\nStill to be measured, by the same command: {', '.join(left)}", flush=True)
