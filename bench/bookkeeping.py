"""A million pairs: land, split, label with a stub scorer, filter, sync the audit; and the audit's own queries."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.measure import table
from bench.workload import model_folder
from resources.settings_file import ROOT

HEADINGS = [
    "step",
    "pairs",
    "seconds",
    "µs a pair",
    "peak memory (MB)",
    "time against a tenth",
    "memory against a tenth",
]


def growth(module: str, sizes: tuple[int, int]) -> str:
    """Each step of a module at a size and at ten times that; time should grow by ten, and memory hardly."""
    return _growth(sizes, *(measured(module, size) for size in sizes))


def bookkeeping(sizes: tuple[int, int], loops: int, patience: float) -> str:
    """The steps at both sizes, and the named queries of the audit on `loops` times the larger one's self-labels."""
    small, large = measured("bench.bookkeeping_steps", sizes[0]), measured("bench.audit_queries", sizes[1], str(loops))
    rows = [[name, f"{value:.2f}", "yes" if value < patience else "no"] for name, value in large.pop("queries").items()]
    asked = table(rows, [f"query on {large.pop('rows'):,} self-labels", "seconds", f"under {patience:g} s"])
    return f"{_growth(sizes, small, large)}\n\n{asked}"


def _growth(sizes: tuple[int, int], small: Mapping[str, Any], large: Mapping[str, Any]) -> str:
    rows = []
    for step, one in small.items():
        ten = large[step]
        rows.append([step, *_cells(sizes[0], one), "–", "–"])
        times, memory = ten["seconds"] / one["seconds"], ten["peak_bytes"] / one["peak_bytes"]
        rows.append([step, *_cells(sizes[1], ten), f"{times:.1f} x", f"{memory:.2f} x"])
    return table(rows, HEADINGS)


def measured(module: str, size: int, *more: str) -> dict[str, Any]:
    """What a module prints last when it is run on `size` pairs in a process of its own, in an empty data root."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-m", module, str(size), folder, str(model_folder()), *more]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return json.loads(done.stdout.splitlines()[-1])


def _cells(size: int, step: Mapping[str, float]) -> list[str]:
    each = 1e6 * step["seconds"] / size
    return [f"{size:,}", f"{step['seconds']:.1f}", f"{each:.0f}", f"{step['peak_bytes'] / 1e6:.0f}"]


def pair_file(path: Path, size: int) -> None:
    """Write `size` small pairs, a tenth of them labelled, of twelve domains."""
    with path.open("w") as file:
        for number in range(size):
            row = {
                "prompt": f"Question {number}: how do I keep item {number % 997} in good order for {number % 31} days?",
                "response_a": f"Put it away dry and look at it every {number % 7 + 2} days. That was answer {number}.",
                "response_b": f"I do not know. Perhaps ask somebody who has item {number % 991}; this is {number}.",
                "source": f"domain {number % 12}",
            }
            if number % 10 == 0:
                row["preferred"] = "ab"[number // 10 % 2]
            file.write(json.dumps(row) + "\n")
