"""The `ser` command in a process of its own that something may happen to.

It is forked from this process, which has imported everything already, so that a hundred of them cost minutes.
"""

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

CALLS = ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir", "link")
"""What changes the disk from Python: the places between which the state of a data root differs."""

INJECTED = "a fault was injected into"


class Event(NamedTuple):
    """A stage said how far it has come."""

    at: float
    label: str
    unit: str
    done: int
    total: int


@dataclass
class Forked:
    """A running command."""

    pid: int
    folder: Path
    started: float = field(default_factory=time.monotonic)
    code: int | None = None
    """The exit code once it has ended; minus the signal if it was killed."""

    def ended(self) -> bool:
        """Whether it has ended by itself or otherwise."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self, seconds: float = 300) -> "Forked":
        """Wait for its end."""
        give_up = self.started + seconds
        while not self.ended():
            if time.monotonic() > give_up:
                self.kill()
                raise TimeoutError(f"still running after {seconds} seconds: {self.folder}")
            time.sleep(0.002)
        return self

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def events(self) -> list[Event]:
        """How far its stages have come, as far as it could say."""
        lines = (self.folder / "events").read_text().split("\n")[:-1]
        return [
            Event(float(at), label, unit, int(done), int(total))
            for at, label, unit, done, total in (line.split("\t") for line in lines)
        ]

    @property
    def asset(self) -> str:
        """The asset or check that was begun last."""
        begun = (self.folder / "assets").read_text().split()
        return begun[-1] if begun else "before the first"

    @property
    def calls(self) -> int:
        """How often it changed the disk, if `count_calls` was its harm."""
        return len((self.folder / "calls").read_bytes())

    @property
    def out(self) -> str:
        """Its standard output."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """Its standard error."""
        return (self.folder / "err").read_text()


def start(folder: Path, root: Path, *arguments: str, harm: Callable[[], None] = lambda: None) -> Forked:
    """Begin `ser ARGUMENTS` on a data root; `harm` is called in the new process before."""

    def command() -> int:
        from ser_dagster.cli import main

        harm()
        return main(list(arguments))

    return fork(folder, root, command)


def fork(folder: Path, root: Path, action: Callable[[], int]) -> Forked:
    """Begin `action` in a new process, whose output and events go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("out", "err", "events", "assets", "calls"):
        (folder / name).write_text("")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Forked(pid, folder)
    code = 70
    try:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_APPEND), number)
        os.environ["SER_DATA"] = str(root)
        _trace(folder)
        code = action()
    except BaseException:  # noqa: BLE001 - whatever it is, it is the victim's
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _trace(folder: Path) -> None:
    """Write down every report of progress as soon as it is made, and every asset as soon as it is begun."""
    from assets.ser_resource import SerResource
    from resources.reporter import Reporter

    tell, file = Reporter.__call__, os.open(folder / "events", os.O_WRONLY | os.O_APPEND)
    begin, begun = SerResource.evolution, os.open(folder / "assets", os.O_WRONLY | os.O_APPEND)

    def traced(self: Any, done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
        os.write(file, f"{time.monotonic():.6f}\t{self._label}\t{unit}\t{done}\t{total}\n".encode())
        tell(self, done, total, unit, note, part)

    def noted(self: Any, context: Any) -> Any:
        os.write(begun, f"{getattr(context, 'op_execution_context', context).op_handle.name}\n".encode())
        return begin(self, context)

    Reporter.__call__ = traced  # type: ignore[method-assign]
    SerResource.evolution = noted  # type: ignore[method-assign]


def at_call(number: int, act: Callable[[str], None]) -> Callable[[], None]:
    """A harm: `act` before the disk call with this number."""

    def harm() -> None:
        left = number

        def counted(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                act(name)

        _before_calls(counted)

    return harm


def count_calls(folder: Path) -> Callable[[], None]:
    """A harm that does none: the calls of the process that works in `folder` are counted."""

    def harm() -> None:
        file = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND)
        _before_calls(lambda name: os.write(file, b"."))

    return harm


def _before_calls(act: Callable[[str], Any]) -> None:
    def preceded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **options: Any) -> Any:
            act(name)
            return call(*arguments, **options)

        return instead

    for name in CALLS:
        setattr(os, name, preceded(name, getattr(os, name)))


def die(name: str) -> None:
    """What nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(name: str) -> None:
    """What a broken disk says."""
    os.write(2, f"{INJECTED} {name}\n".encode())
    raise OSError(errno.EIO, os.strerror(errno.EIO))
