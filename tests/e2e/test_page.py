"""A real Dagster page: one line when it answers, what goes wrong in two, and no process when it has ended."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from resources.locks import owners_of
from ser_dagster.dagster_instance import instance
from ser_dagster.ui import LOG_BYTES
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "ser_dagster") { __typename } }'


class Page:
    """A page that a script has started in the background, in a folder to which its settings are relative."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = '"$@" & echo $!; wait $!; echo "exit code $?"'
        command = ["bash", "-c", script, "bash", str(Path(sys.executable).with_name("ser")), "ui", "--port", "0"]
        places = {"SER_DATA": "data", "SER_CONFIG": "ser.toml"}
        self._output = (folder / "output").open("w")
        self._shell = subprocess.Popen(
            command, cwd=folder, env=os.environ | places, stdout=self._output, stderr=subprocess.STDOUT
        )

    def wait_until_open(self) -> None:
        said = self.wait_for(lambda: re.search(r"^Open http://(127\.0\.0\.1):(\d+)$", self.said, re.M))
        self.address = said[1], int(said[2])
        self.process = psutil.Process(int(self.said.split()[0]))
        self.started = self.process.children(recursive=True)

    @property
    def said(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def log(self) -> Path:
        return self.folder / "data" / "dagster" / "ui" / "ui.log"

    def wait_for(self, result: Callable[[], Any]) -> Any:
        give_up = time.monotonic() + 180
        while not (found := result()):
            assert time.monotonic() < give_up and self._shell.poll() is None, self.said
            time.sleep(0.2)
        return found

    def ask(self, query: str) -> Any:
        connection = HTTPConnection(*self.address, timeout=60)
        connection.request("POST", "/graphql", json.dumps({"query": query}), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())["data"]

    def end(self, number: signal.Signals, process: psutil.Process | None = None) -> str:
        """What it says after the signal, of which nothing that it had started is left."""
        before = self.said
        self.started = self.process.children(recursive=True)
        (process or self.process).send_signal(number)
        self._shell.wait(60)
        _, alive = psutil.wait_procs([self.process, *self.started], timeout=60)
        assert (len(self.started) >= 5, alive) == (True, [])
        return self.said.removeprefix(before)

    def close(self) -> None:
        if self._shell.poll() is None:
            psutil.Process(int(self.said.split()[0])).kill()
            self._shell.wait()
        self._output.close()


@pytest.fixture
def start(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Page]]:
    monkeypatch.setenv("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
    automation = "loops = 1\n[automation]\nquiet_seconds = 1\n[thresholds]\nn_min = 5\n"
    (tmp_path / "ser.toml").write_text(automation + chain.SETTINGS)
    pages: list[Page] = []

    def started() -> Page:
        page = Page(tmp_path)
        pages.append(page)
        page.wait_until_open()
        return page

    yield started
    for page in pages:
        page.close()


def test_it_says_where_it_is_and_what_is_wrong_ends_with_everything_and_continues_its_run(
    start: Callable[[], Page], data_root: Path, tmp_path: Path
) -> None:
    page = start()
    host, port = page.address
    assert page.said.splitlines()[1:] == ["Starting (log: data/dagster/ui/ui.log) …", f"Open http://{host}:{port}"]
    with pytest.raises(ConnectionRefusedError):  # who is not this machine cannot reach it either
        socket.create_connection(("127.0.0.2", port), timeout=5)
    good = (tmp_path / "ser.toml").read_text()
    (tmp_path / "ser.toml").write_text("lops = 1\n")
    page.ask(RELOAD)
    said = "The graph does not load: unknown setting 'lops'. Did you mean 'loops'?"
    page.wait_for(lambda: said in page.said.splitlines())
    (tmp_path / "ser.toml").write_text(good)
    page.ask(RELOAD)
    os.truncate(page.log, LOG_BYTES + 1)
    page.wait_for(lambda: page.log.stat().st_size < LOG_BYTES)
    assert page.log.with_name("ui.log.1").stat().st_size > LOG_BYTES

    write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300))
    folder = data_root / "landing" / "tiny"
    folder.mkdir(parents=True)
    (tmp_path / "pairs.jsonl").rename(folder / "pairs.jsonl")
    heads = data_root / "heads"
    page.wait_for(lambda: any(any(owners_of(data_root, snapshot.name)) for snapshot in heads.glob("tiny-*")))
    assert page.end(signal.SIGINT) == "Stopping …\nexit code 0\n"
    assert owners_of(data_root, next(heads.glob("tiny-*")).name) == []

    again = start()
    with instance() as current:
        again.wait_for(
            lambda: [run.status for run in current.get_runs(ascending=True)][1:] == [dg.DagsterRunStatus.SUCCESS]
        )
    assert "Exception" not in again.log.read_text()
    assert again.end(signal.SIGKILL).endswith("exit code 137\n")


def test_when_its_daemon_ends_everything_ends_and_that_is_said(start: Callable[[], Page]) -> None:
    page = start()
    (daemon,) = [process for process in page.started if any("dagster-daemon" in part for part in process.cmdline())]
    assert page.end(signal.SIGKILL, daemon) == (
        "ser: the daemon has ended (killed by SIGKILL), so the page has ended as a whole.\n"
        "data/dagster/ui/ui.log may say why. Start it again: ser ui\n"
        "exit code 1\n"
    )
