"""`ser ui`: the Dagster page and its daemon on the instance that `ser` uses, until they are told to end."""

import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from resources.locks import only_writer
from resources.settings_file import ROOT
from ser.errors import SerError
from ser_dagster.page_state import code_server_answers, load_problem, page_answers
from ser_dagster.process_group import ProcessEndedError, ProcessGroup, Signals, ToldToEndError, termination_signals

PORT = 3000
HOST = "127.0.0.1"
"""This machine only: the page asks nobody who they are."""

SENSOR_SECONDS = "3600"
"""A large file lands inside a sensor's evaluation, and Dagster would give up waiting for it after a minute."""
ANSWERS_WITHIN = "10"
"""Seconds that a code server gives its last answers when it ends; by default Dagster takes those of a sensor."""

LOG_BYTES = 10_000_000
"""A log that is longer makes room for a new one; one older log is kept."""
LOOK_AGAIN = 10.0
"""Seconds from one look at the graph and the log to the next."""

LOCATION = "ser_dagster"
WORKSPACE = f"""load_from:
  - grpc_server:
      location_name: {LOCATION}
      socket: {{socket}}
"""


def ui(port: int = PORT, host: str = HOST) -> None:
    """Serve the Dagster page until this process is told to end; whatever it has started ends with it.

    Args:
        port: where to listen; 0 for a free one.
        host: the address to listen on.

    Raises:
        SerError: the port is taken, the settings or Dagster's configuration are wrong, the page of this instance is
            open already, or one of the page's processes has ended by itself.
    """
    with termination_signals() as signals:
        port = _free_port(port, host)
        # Dagster takes seconds to load: a taken port is said sooner, and no signal that comes meanwhile is lost.
        from ser_dagster.dagster_instance import dagster_home, instance

        for name in ("SER_DATA", "SER_CONFIG"):  # what is relative is meant from here, as `ser` takes it
            if os.environ.get(name):
                os.environ[name] = str(Path(os.environ[name]).resolve())
        with instance():
            pass  # whatever is wrong with the settings or Dagster's configuration is said before anything starts
        os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", SENSOR_SECONDS)
        os.environ.setdefault("DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD", ANSWERS_WITHIN)
        with _only_page(dagster_home() / "ui", _address(port, host)) as log:
            _say(f"Starting (log: {_shown(log)}) …")
            try:
                _serve(signals, port, host, log)
            except ProcessEndedError as error:
                raise SerError(
                    f"{error}, so the page has ended as a whole.\n{_shown(log)} may say why. Start it again: ser ui"
                ) from error


def _serve(signals: Signals, port: int, host: str, log: Path) -> None:
    """Run the page's processes until a signal comes; none of them stays.

    Raises:
        ProcessEndedError: one of them has ended by itself.
    """
    with tempfile.TemporaryDirectory(prefix="ser-ui-") as folder, ProcessGroup(signals, ROOT) as group:
        try:
            _start(group, port, host, log, Path(folder))
            _watch(group, port, host, log)
        except ToldToEndError:
            _say("Stopping …")


def _start(group: ProcessGroup, port: int, host: str, log: Path, folder: Path) -> None:
    """Start the code location and, when it has loaded the graph, the web server and the daemon; say where the page is.

    Args:
        folder: for files that are of use as long as the processes live.
    """
    code, workspace = folder / "code", folder / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(socket=code))
    graph = ("--location-name", LOCATION, "--module-name", "ser_dagster.definitions")
    quiet, found_at = ("--log-level", "warning"), ("--workspace", str(workspace))
    group.start("code location", _dagster("", "code-server", "start", "--socket", str(code), *graph, *quiet), log)
    group.wait_for(lambda: code_server_answers(code))
    listening = ("--host", host, "--port", str(port), "--dagster-log-level", "warning")
    group.start("web server", _dagster("-webserver", *listening, *found_at), log)
    group.start("daemon", _dagster("-daemon", "run", *quiet, *found_at), log)
    group.wait_for(lambda: page_answers(port, _local(host)))
    _say(f"Open {_address(port, host)}")


def _watch(group: ProcessGroup, port: int, host: str, log: Path) -> None:
    """Say what is wrong with the graph, each time that it is something new, and keep the log short, for ever."""
    known = ""
    while True:
        problem = group.wait_for(lambda: load_problem(port, _local(host)))
        if problem not in ("", known):
            _say(f"The graph does not load: {problem}\nMend it, and reload it in the page (Deployment).")
        known = problem
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, _older(log))
            os.truncate(log, 0)  # whoever writes appends, and so begins anew
        group.wait(LOOK_AGAIN)


def _dagster(program: str, *arguments: str) -> list[str]:
    """The command that runs a program of Dagster's with this Python."""
    return [str(Path(sys.executable).with_name(f"dagster{program}")), *arguments]


def _local(host: str) -> str:
    """The address at which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _address(port: int, host: str) -> str:
    """What a browser on this machine opens."""
    local = _local(host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


def _free_port(port: int, host: str) -> int:
    """The port, if it can be listened on; a free one for 0.

    Raises:
        SerError: it cannot; says why, and what to do.
    """
    try:
        family, kind, _, _, (name, *_) = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
            candidate.bind((name, port))
            return int(candidate.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SerError(
                f"port {port} of {host} is taken, by a page that is open already or by another program.\n"
                "End that one, or let the page find a free port: ser ui --port 0"
            ) from error
        raise SerError(f"the page cannot be at port {port} of {host}: {error.strerror}. Try: ser ui") from error
    except OverflowError as error:
        raise SerError(f"there is no port {port}: the last one is 65535.") from error


@contextmanager
def _only_page(folder: Path, address: str) -> Iterator[Path]:
    """Be the only page of an instance, with the only daemon, and have its log, beside the one before it.

    Raises:
        SerError: there is one already; says where.
    """
    log, said = folder / "ui.log", folder / "address"
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(folder, wait=False))
        except BlockingIOError as error:
            where = said.read_text() if said.exists() else f"its log is in {folder}"
            raise SerError(f"the page is open already: {where}. Use it, or end it first.") from error
        said.write_text(f"{address}, process {os.getpid()}")
        if log.exists():
            log.replace(_older(log))
        yield log


def _older(log: Path) -> Path:
    return log.with_suffix(".log.1")


def _shown(path: Path) -> Path:
    """A path as a person would write it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _say(line: str) -> None:
    """Print a line, as long as somebody is there to read it."""
    try:
        print(line, flush=True)
    except OSError:  # the terminal is closed, and what was started has to be ended all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
