"""A real Dagster page: one line when it answers, what goes wrong in two, and no process when it has ended."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.locks import owners_of
from ser_dagster.dagster_instance import instance
from ser_dagster.ui import LOG_BYTES
from tests import chain
from tests.page import Page
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "ser_dagster") { __typename } }'


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
    _, port = page.address
    assert page.said.splitlines()[1:] == ["Starting (log: data/dagster/ui/ui.log) …", f"Open {page.link}"]
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
    assert again.token == page.token  # a tab that was open goes on
    assert not any(page.token in part for process in again.process.children() for part in process.cmdline())
    with instance() as current:
        again.wait_for(
            lambda: [run.status for run in current.get_runs(ascending=True)][1:] == [dg.DagsterRunStatus.SUCCESS]
        )
    assert "Exception" not in again.log.read_text() and again.token not in again.log.read_text()
    assert again.end(signal.SIGKILL).endswith("exit code 137\n")


def test_when_its_daemon_ends_everything_ends_and_that_is_said(start: Callable[[], Page]) -> None:
    page = start()
    (daemon,) = [process for process in page.started if any("ser_dagster.daemon" in part for part in process.cmdline())]
    assert page.end(signal.SIGKILL, daemon) == (
        "ser: the daemon has ended (killed by SIGKILL), so the page has ended as a whole.\n"
        "data/dagster/ui/ui.log may say why. Start it again: ser ui\n"
        "exit code 1\n"
    )
