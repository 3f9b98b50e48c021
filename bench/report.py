"""`python -m bench [--quick] [SECTION …]`: measure, print tables, and (unless quick) write `docs/performance.md`."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

import torch

from bench.accuracy import accuracy
from bench.bookkeeping import bookkeeping, growth
from bench.busy import busy
from bench.comparisons import curves, loops, scoring, training
from bench.graph import graph
from bench.landing import landing
from bench.marks import put_between_marks
from bench.measure import Comparison, table
from bench.padding import padding, ppo_tokens, training_tokens, useful
from bench.ppo import ppo
from bench.promotion import promotion, statistics
from bench.report_size import report_size
from bench.rerun import rerun
from bench.utilisation import HEADINGS as SHARES
from bench.utilisation import utilisation
from bench.workload import Workload
from resources.machine import Compute
from resources.stamp import machine, versions

ROUNDS = 5
EPISODES = 8
"""Of a rollout of PPO."""
CURVES = ["data", "steps", "loss, TRL", "loss, ours", "difference"]
SLOW = (
    *("padding", "ppo", "curves", "accuracy", "bookkeeping", "landing", "labelling", "graph", "busy", "rerun"),
    "report",
)
"""Sections that `--quick` leaves out unless they are named."""
ONCE = ("padding", "accuracy", "curves", "bookkeeping", "landing", "labelling", "promotion", "busy", "rerun")
"""Sections in which nothing takes turns."""
Compare = Callable[[str, int, int, str], Iterator[Comparison]]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs of one dataset; under 8 minutes")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default all")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - SECTIONS.keys()
    if unknown:
        parser.error(f"there is no section {min(unknown)}; there are {', '.join(SECTIONS)}")
    torch.set_num_threads(Compute().execution.threads)
    wanted = arguments.sections or [name for name in SECTIONS if not (arguments.quick and name in SLOW)]
    for section in wanted:
        text = SECTIONS[section](arguments.quick)
        print(text, flush=True)
        if not arguments.quick:
            write(section, text)


def _scoring(quick: bool) -> str:
    return _compared(scoring, quick, {"hh_harmless": 12 if quick else 48, "sample": 48})


def _training(quick: bool) -> str:
    # A step of a few hundred milliseconds would measure the set-up: short pairs need more of them.
    sizes = {"hh_harmless": 8 if quick else 16, "sample": 96}
    works = [Workload(data, sizes[data]) for data in _datasets(quick)]
    shares = [useful("TRL RewardTrainer", work, ROUNDS, training_tokens) for work in works]
    return "\n".join([_compared(partial(training, tuned=not quick), quick, sizes), "", *shares])


def _padding(quick: bool) -> str:
    return padding(pairs=16, many=96, episodes=EPISODES)


def _curves(quick: bool) -> str:
    return table(curves("sample", 160 if quick else 320, Compute().arithmetic.dtype), CURVES)


def _accuracy(quick: bool) -> str:
    return accuracy(Compute().arithmetic.dtype)


def _bookkeeping(quick: bool) -> str:
    return bookkeeping((2_000, 20_000) if quick else (100_000, 1_000_000), loops=12, patience=2.0)


def _landing(quick: bool) -> str:
    return landing((2_000, 20_000) if quick else (100_000, 1_000_000))


def _labelling(quick: bool) -> str:
    return growth("bench.labelling_steps", (500, 5_000) if quick else (4_000, 40_000))


def _graph(quick: bool) -> str:
    return graph(ROUNDS, loops=1, max_pairs=400) if quick else graph(ROUNDS, loops=2, max_pairs=600)


def _promotion(quick: bool) -> str:
    return "\n\n".join([promotion(200 if quick else 4_000), statistics(50 if quick else 2_000)])


def _busy(quick: bool) -> str:
    return busy(3 if quick else 10, pairs=16)


def _rerun(quick: bool) -> str:
    return rerun(300, 1, 8, 8) if quick else rerun(300, 2, 16, 16)


def _report(quick: bool) -> str:
    return report_size(2, 200, 2_000, 3) if quick else report_size(10, 400, 200_000, ROUNDS)


def _loops(quick: bool) -> str:
    return _compared(loops, quick, {"hh_harmless": 24 if quick else 128, "sample": 256})


def _ppo(quick: bool) -> str:
    work = Workload("hh_harmless", EPISODES)
    rows = [row.cells() for row in ppo(work.dataset, work.size, ROUNDS)]
    return f"{table(rows)}\n\n{useful('TRL 1.12.0', work, ROUNDS, ppo_tokens)}"


def _utilisation(quick: bool) -> str:
    dtype = Compute().arithmetic.dtype
    size = 16 if quick else 32
    return table([row for data in _datasets(quick) for row in utilisation(data, size, ROUNDS, dtype)], SHARES)


def _compared(compare: Compare, quick: bool, sizes: Mapping[str, int]) -> str:
    dtype = Compute().arithmetic.dtype
    return table([row.cells() for data in _datasets(quick) for row in compare(data, sizes[data], ROUNDS, dtype)])


def _datasets(quick: bool) -> list[str]:
    return ["hh_harmless"] if quick else ["hh_harmless", "sample"]


SECTIONS = {
    "scoring": _scoring,
    "training": _training,
    "padding": _padding,
    "curves": _curves,
    "accuracy": _accuracy,
    "loops": _loops,
    "ppo": _ppo,
    "graph": _graph,
    "bookkeeping": _bookkeeping,
    "landing": _landing,
    "labelling": _labelling,
    "promotion": _promotion,
    "utilisation": _utilisation,
    "busy": _busy,
    "rerun": _rerun,
    "report": _report,
}


def write(section: str, measured: str) -> None:
    """Put a section's table, and what it was measured on, between its marks in the report."""
    day = datetime.now(UTC).date().isoformat()
    rounds = "" if section in ONCE else f", {ROUNDS} rounds"
    arithmetic = "" if section in ("padding", "accuracy", "landing", "promotion") else f"{Compute().arithmetic.dtype}; "
    about = f"{machine()}; {versions()}; {arithmetic}{day}; `python -m bench {section}`{rounds}."
    put_between_marks(section, f"{about}\n\n{measured}")
