"""Processes that end together: when one of them ends, when this one is told to, and when this one is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import psutil

GRACE = 20.0
"""Seconds that the processes have to end in order. Whatever is at work then is killed, and goes on another time."""
TICK = 0.2
"""Seconds between two looks."""

T = TypeVar("T")


class ToldToEndError(Exception):
    """A signal has told this process to end."""


class ProcessEndedError(Exception):
    """A process of the group has ended although nobody told it to; `name` is its name."""

    def __init__(self, name: str, code: int) -> None:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        super().__init__(f"the {name} has ended ({how})")
        self.name = name


class Signals:
    """The signals that tell this process to end, in the order in which they came."""

    def __init__(self) -> None:
        self._received: SimpleQueue[int] = SimpleQueue()  # its `put` may interrupt its `get`

    def receive(self, number: int, _: object) -> None:
        """The handler of a signal."""
        self._received.put(number)

    def came_within(self, seconds: float) -> bool:
        """Wait for a signal, at most so long; whether one came."""
        try:
            self._received.get(timeout=seconds)
        except Empty:
            return False
        return True


@contextmanager
def termination_signals() -> Iterator[Signals]:
    """Catch SIGINT, SIGTERM and SIGHUP while the block runs, so that none of them interrupts it.

    Without a handler SIGINT would be lost where a script started this process in the background: shells set it to
    ignored there. Processes started meanwhile have the default actions again. What `nohup` ignores stays ignored.
    """
    signals = Signals()
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    caught = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else []))
    before = {number: signal.signal(number, signals.receive) for number in caught}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ProcessGroup:
    """A process group of the operating system, in which children and their children are, and of which none survives.

    Its leader is a keeper, whose standard input is a pipe that nobody writes to. It closes with this process, however
    this process ends; then the keeper ends the group in its place.
    """

    def __init__(self, signals: Signals, folder: Path) -> None:
        """Processes run in `folder`; a signal in `signals` ends every wait."""
        self._signals = signals
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "ProcessGroup":
        self._processes["keeper"] = self._keeper = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, cwd=self._folder, process_group=0
        )
        return self

    def __exit__(self, *_: object) -> None:
        end_group(self._keeper.pid, self._signals.came_within)
        for process in self._processes.values():
            process.communicate()  # closes the pipe, too

    def start(self, name: str, command: Sequence[str], log: Path, secrets: Mapping[str, str] | None = None) -> None:
        """Start a process of that name; what it prints is appended to `log`.

        Args:
            secrets: environment variables for this process alone.
        """
        with log.open("ab") as output:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env={**os.environ, **(secrets or {})},
                process_group=self._keeper.pid,
            )

    def wait_for(self, result: Callable[[], T | None]) -> T:
        """Look again and again until there is a result, and return it. Raises what `wait` raises."""
        while (found := result()) is None:
            self.wait(TICK)
        return found

    def wait(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            ToldToEndError: a signal came first.
            ProcessEndedError: a process ended first.
        """
        over = time.monotonic() + seconds
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ProcessEndedError(name, process.returncode)
            left = over - time.monotonic()
            if self._signals.came_within(min(max(left, 0), TICK)):
                raise ToldToEndError
            if left <= TICK:
                return


def end_group(group: int, hurried_within: Callable[[float], bool | None]) -> None:
    """Tell the processes of `group` to end, and kill what is left of them after `GRACE` seconds, and its leader.

    Args:
        hurried_within: waits so many seconds, and says whether to kill them at once.
    """
    with suppress(ProcessLookupError):  # nothing is left
        os.killpg(group, signal.SIGTERM)
        killed_at = time.monotonic() + GRACE
        while _members(group) and time.monotonic() < killed_at and not hurried_within(TICK):
            pass
        os.killpg(group, signal.SIGKILL)


def _members(group: int) -> list[int]:
    """The living processes of a group but its leader."""
    members = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):  # it has just ended
            living = os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
            if living and pid != group:
                members.append(pid)
    return members


def _keep() -> None:
    """End the group that this process leads when whoever started it is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_group(os.getpgrp(), time.sleep)


if __name__ == "__main__":
    _keep()
