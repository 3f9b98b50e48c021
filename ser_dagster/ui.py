"""`ser ui`: the Dagster page and its daemon on the instance that `ser` uses, until they are told to end."""

import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from resources.locks import only_writer
from resources.settings_file import ROOT
from ser.errors import SerError
from ser.python_process import module_command
from ser_dagster.page_state import code_server_answers, load_problem, page_answers
from ser_dagster.process_group import ProcessEndedError, ProcessGroup, Signals, ToldToEndError, termination_signals
from ser_dagster.web.address import Address, local_address
from ser_dagster.web.tokens import kept_token, write_private

PORT = 3000
HOST = "127.0.0.1"
"""This machine only."""

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


@dataclass(frozen=True)
class Page:
    """Where the page is, who may open it, and what they may do there.

    Attributes:
        host: what it listens on.
        named: addresses beside those of this machine at which browsers open it.
        token: what a browser or a program must have to be answered.
        read_only: whether nothing can be changed there.
    """

    host: str
    port: int
    named: tuple[Address, ...]
    token: str
    read_only: bool

    @property
    def local(self) -> Address:
        """Its address for this machine."""
        return local_address(self.host, self.port)

    @property
    def links(self) -> list[str]:
        """What opens it: on this machine first, then at the addresses that were named."""
        return [f"{address}/?token={self.token}" for address in (self.local, *self.named)]


def ui(port: int = PORT, host: str = HOST, addresses: Sequence[str] = (), read_only: bool = False) -> None:
    """Serve the Dagster page until this process is told to end; whatever it has started ends with it.

    Args:
        port: where to listen; 0 for a free one.
        host: the address to listen on.
        addresses: URLs at which browsers open the page, beside those of this machine.
        read_only: whether to refuse there whatever would change something.

    Raises:
        SerError: an address is none, the port is taken, the settings or Dagster's configuration are wrong, the page
            of this instance is open already, or one of the page's processes has ended by itself.
    """
    named = tuple(Address.parse(url) for url in addresses)
    with termination_signals() as signals:
        port = _free_port(port, host)
        # Dagster takes seconds to load: a taken port is said sooner, and no signal that comes meanwhile is lost.
        from ser_dagster.dagster_instance import dagster_home, instance

        for name in ("SER_DATA", "SER_CONFIG"):  # what is relative is meant from here, as `ser` takes it
            if os.environ.get(name):
                os.environ[name] = os.path.realpath(os.environ[name])
        with instance():
            pass  # whatever is wrong with the settings or Dagster's configuration is said before anything starts
        os.environ.setdefault("DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD", ANSWERS_WITHIN)
        folder = dagster_home() / "ui"
        with _only_page(folder) as log:
            page = Page(host, port, named, kept_token(folder, read_only), read_only)
            write_private(folder / "address", f"process {os.getpid()} has it at {page.links[0]}")
            _say(f"Starting (log: {_shown(log)}) …")
            try:
                _serve(signals, page, log)
            except ProcessEndedError as error:
                raise SerError(
                    f"{error}, so the page has ended as a whole.\n{_shown(log)} may say why. Start it again: ser ui"
                ) from error


def _serve(signals: Signals, page: Page, log: Path) -> None:
    """Run the page's processes until a signal comes; none of them stays.

    Raises:
        ProcessEndedError: one of them has ended by itself.
    """
    with tempfile.TemporaryDirectory(prefix="ser-ui-") as folder, ProcessGroup(signals, ROOT) as group:
        try:
            _start(group, page, log, Path(folder))
            _watch(group, page, log)
        except ToldToEndError:
            _say("Stopping …")


def _start(group: ProcessGroup, page: Page, log: Path, folder: Path) -> None:
    """Start the code location and, when it has loaded the graph, the web server and the daemon; say where the page is.

    Args:
        folder: for files that are of use as long as the processes live.
    """
    code, workspace = folder / "code", folder / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(socket=code))
    graph = ("--location-name", LOCATION, "--module-name", "ser_dagster.definitions")
    quiet, found_at = ("--log-level", "warning"), ("--workspace", str(workspace))
    group.start("code location", _code_server("--socket", str(code), *graph, *quiet), log)
    group.wait_for(lambda: code_server_answers(code))
    group.start("web server", _web_server(page, *found_at), log, {"UI_TOKEN": page.token})
    group.start("daemon", module_command("ser_dagster.daemon", "run", *quiet, *found_at), log)
    group.wait_for(lambda: page_answers(page.local, page.token))
    for word, link in zip(("Open", *["Or"] * len(page.named)), page.links, strict=True):
        _say(f"{word} {link}")


def _watch(group: ProcessGroup, page: Page, log: Path) -> None:
    """Say what is wrong with the graph, each time that it is something new, and keep the log short, for ever."""
    known = ""
    while True:
        problem = group.wait_for(lambda: load_problem(page.local, page.token))
        if problem not in ("", known):
            _say(f"The graph does not load: {problem}\nMend it, and reload it in the page (Deployment).")
        known = problem
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, _older(log))
            os.truncate(log, 0)  # whoever writes appends, and so begins anew
        group.wait(LOOK_AGAIN)


def _code_server(*arguments: str) -> list[str]:
    """The command that starts the code location with this Python's Dagster."""
    return [str(Path(sys.executable).with_name("dagster")), "code-server", "start", *arguments]


def _web_server(page: Page, *found_at: str) -> list[str]:
    """The command that runs Dagster's web server behind the layer."""
    addresses = [part for address in page.named for part in ("--address", str(address))]
    mode = ["--read-only"] if page.read_only else []
    listening = ("--host", page.host, "--port", str(page.port))
    return module_command("ser_dagster.web", *listening, *found_at, *addresses, *mode)


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
    except UnicodeError as error:
        raise SerError(f"{host!r} is no name of a host. Try: ser ui") from error
    except OverflowError as error:
        raise SerError(f"there is no port {port}: the last one is 65535.") from error


@contextmanager
def _only_page(folder: Path) -> Iterator[Path]:
    """Be the only page of an instance, with the only daemon, and have its log, beside the one before it.

    Raises:
        SerError: there is one already; says where.
    """
    log = folder / "ui.log"
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(folder, wait=False))
        except BlockingIOError as error:
            try:
                where = (folder / "address").read_text()
            except OSError:  # it is not written yet, or somebody else's
                where = f"its log is in {folder}"
            raise SerError(f"the page is open already: {where}\nUse it, or end it first.") from error
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
