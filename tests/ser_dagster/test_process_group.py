"""No process outlives its group, however the one that started it ends."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from ser_dagster.process_group import ProcessEndedError, ProcessGroup, Signals, ToldToEndError

STUBBORN = "trap '' INT TERM HUP; sleep 60 & echo $$ $!; wait; wait"
STARTER = """
import sys
from pathlib import Path
from ser_dagster.process_group import ProcessGroup, ToldToEndError, termination_signals

with termination_signals() as signals, ProcessGroup(signals, Path.cwd()) as group:
    group.start("sleeper", ["sleep", "60"], Path(sys.argv[1]))
    print("started", flush=True)
    try:
        group.wait(60)
    except ToldToEndError:
        print("told", flush=True)
"""
TOLD = [(signal.SIGINT, "told\n"), (signal.SIGTERM, "told\n"), (signal.SIGHUP, "told\n"), (signal.SIGKILL, "")]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_what_ignores_signals_is_killed_with_its_children_when_a_second_signal_comes(log: Path) -> None:
    signals = Signals()
    with ProcessGroup(signals, Path.cwd()) as group:
        group.start("stubborn", ["sh", "-c", STUBBORN], log)
        group.wait_for(lambda: log.read_text() or None)
        processes = [psutil.Process(int(pid)) for pid in log.read_text().split()]
        signals.receive(signal.SIGINT, None)
        with pytest.raises(ToldToEndError):
            group.wait(60)
        signals.receive(signal.SIGINT, None)
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize(("command", "how"), [("exit 3", "exit code 3"), ("kill -9 $$", "killed by SIGKILL")])
def test_a_process_that_ends_by_itself_is_named(log: Path, command: str, how: str) -> None:
    with pytest.raises(ProcessEndedError) as ended, ProcessGroup(Signals(), Path.cwd()) as group:
        group.start("sleeper", ["sleep", "60"], log)
        group.start("daemon", ["sh", "-c", command], log)
        group.wait(60)
    assert str(ended.value) == f"the daemon has ended ({how})"


@pytest.mark.parametrize(("number", "last"), TOLD)
def test_started_by_a_script_it_ends_when_it_is_told_to(log: Path, number: signal.Signals, last: str) -> None:
    # A shell without job control sets SIGINT to ignored in what it starts in the background.
    script = '"$@" & echo $!; wait'
    command = ["bash", "-c", script, "bash", sys.executable, "-c", STARTER, str(log)]
    # Under nohup the tests ignore SIGHUP, and what they start would too.
    heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heard) as shell:
        assert shell.stdout is not None
        starter = psutil.Process(int(shell.stdout.readline()))
        assert shell.stdout.readline() == "started\n"
        others = starter.children(recursive=True)
        starter.send_signal(number)
        assert shell.stdout.read() == last
    gone, alive = psutil.wait_procs([starter, *others], timeout=10)
    assert (len(gone), alive) == (3, [])
