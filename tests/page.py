"""A Dagster page that runs for tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil


class Page:
    """A page that a script has started in the background, in a folder to which its settings are relative."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        script = '"$@" & echo $!; wait $!; echo "exit code $?"'
        command = [
            "bash",
            "-c",
            script,
            "bash",
            str(Path(sys.executable).with_name("ser")),
            "ui",
            "--port",
            "0",
            *options,
        ]
        places = {"SER_DATA": "data", "SER_CONFIG": "ser.toml"}
        self._output = (folder / "output").open("w")
        self._shell = subprocess.Popen(
            command, cwd=folder, env=os.environ | places, stdout=self._output, stderr=subprocess.STDOUT
        )

    def wait_until_open(self) -> None:
        line = r"^Open (http://(127\.0\.0\.1):(\d+)/\?token=([\w-]{43}))$"
        said = self.wait_for(lambda: re.search(line, self.said, re.M))
        self.link, self.address, self.token = said[1], (said[2], int(said[3])), said[4]
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
        return self._post("/graphql", {"query": query})["data"]

    def report(self, asset: str, partition: str) -> None:
        """Say that an asset of a partition was made, as a program of somebody else's does."""
        assert self._post(f"/report_asset_materialization/{asset}", {"partition": partition}) == {}

    def _post(self, path: str, body: Any) -> Any:
        connection = HTTPConnection(*self.address, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        connection.request("POST", path, json.dumps(body), headers)
        return json.load(connection.getresponse())

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
