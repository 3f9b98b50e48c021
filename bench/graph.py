"""What the graph costs: `ser run` against the same stages called one after the other in a plain script."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.measure import table
from bench.workload import model_folder
from resources.settings_file import ROOT

HEADINGS = ["run", "ser run (s)", "plain script (s)", "more: median (range)", "must", "aim", "reached"]


def graph(rounds: int, loops: int, max_pairs: int) -> str:
    """Whole processes, from start to end, in turns, each `ser run` in an empty data root.

    Arithmetic of a second run differs by some per cent from that of the first on a busy machine, so the rounds'
    median is what counts.
    """
    environment = os.environ | {
        "SER_LOOPS": str(loops), "SER_ROLES__MAX_PAIRS": str(max_pairs), "SER_BACKBONE__MODEL": str(model_folder()),
    }  # fmt: skip
    graphs, plains = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            environment["SER_DATA"] = folder
            _timed("land", folder, environment)
            graphs.append(_timed("run", folder, environment))
            plains.append(_timed("plain", folder, environment))
        print(f"round {number + 1} of {rounds}: {graphs[-1]:.1f} s, plain {plains[-1]:.1f} s", flush=True)
    more = sorted(one / other - 1 for one, other in zip(graphs, plains, strict=True))
    middle = median(more)
    reached = "aim" if middle <= 0.02 else "must" if middle <= 0.05 else "missed"
    name = f"sample, {max_pairs} pairs, {loops} loops, no policy"
    spread = f"**{middle:.1%}** ({more[0]:.1%} to {more[-1]:.1%})"
    row = [name, f"{median(graphs):.1f}", f"{median(plains):.1f}", spread, "≤ 5%", "≤ 2%", reached]
    return table([row], HEADINGS)


def _timed(what: str, folder: str, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-m", "bench.graph_sides", what, folder]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def calls_file(folder: Path) -> Path:
    """Where the stages that a run called are written down."""
    return folder / "calls.json"


def read_calls(folder: Path) -> list[dict]:
    """Module, spec and input paths of every stage of a run, in order."""
    return json.loads(calls_file(folder).read_text())
