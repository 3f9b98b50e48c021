"""Training alone and beside a process that keeps a core busy, as threads wait here and as OpenMP has them wait."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from statistics import median

from bench.measure import table
from resources.settings_file import ROOT

WAYS = ("passive", "default")
"""How threads wait: as `ser` has it, and as OpenMP does when nothing is set."""
SLOWER, LOST = 2.5, 1.05
"""Beside one busy core of two, against alone; and alone, against OpenMP's own way."""
HEADINGS = ["ratio of the seconds", "median (range)", "must", "reached"]


def busy(rounds: int, pairs: int) -> str:
    """The table of the ratios, each within a round."""
    seconds: dict[tuple[str, bool], list[float]] = {(way, beside): [] for way in WAYS for beside in (False, True)}
    with ExitStack() as workers:
        running = {way: workers.enter_context(_worker(way, pairs)) for way in WAYS}
        for number in range(rounds):
            for beside in (False, True):
                with _busy_core() if beside else nullcontext():
                    for way, worker in running.items():
                        seconds[way, beside].append(_run(worker))
            said = (f"{way}{' beside' * beside} {runs[-1]:.1f} s" for (way, beside), runs in seconds.items())
            print(f"round {number + 1} of {rounds}: {', '.join(said)}", file=sys.stderr, flush=True)
    return table(
        [
            _row(
                "passive, beside a busy core against alone", seconds["passive", True], seconds["passive", False], SLOWER
            ),
            _row("default, beside a busy core against alone", seconds["default", True], seconds["default", False]),
            _row("alone, passive against default", seconds["passive", False], seconds["default", False], LOST),
            _row("beside a busy core, passive against default", seconds["passive", True], seconds["default", True]),
        ],
        HEADINGS,
    )


def _row(name: str, ours: list[float], theirs: list[float], most: float | None = None) -> list[str]:
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    value = median(ratios)
    target = ["–", "–"] if most is None else [f"≤ {most:g}", "yes" if value <= most else "missed"]
    return [name, f"**{value:.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f})", *target]


@contextmanager
def _worker(way: str, pairs: int) -> Iterator["subprocess.Popen[str]"]:
    """A process that has everything loaded, and trains whenever it is sent a line."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.busy_training", way, str(pairs)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _run(worker: "subprocess.Popen[str]") -> float:
    """Let a worker train once; its seconds."""
    assert worker.stdin is not None and worker.stdout is not None
    print("train", file=worker.stdin, flush=True)
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"bench.busy_training ended with {worker.wait()}")
    return float(line)


@contextmanager
def _busy_core() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
