"""Hostile pages in a real browser, against a page that the same browser has open, and against Dagster's bare one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from reliability.checks import expect
from reliability.honest import look_around
from reliability.hostile import HTML, Attempt, attempts, hostile_server
from ser.errors import SerError
from tests.page import Page
from tests.pairs import labelled_rows, write_jsonl

NAMES = "MAP evil.example 127.0.0.1"
"""A name of the attacker's that leads to this machine, as one does after DNS rebinding."""
SETTINGS = "loops = 1\nmax_loops = 1\n[automation]\nmin_new_pairs = 1000000\n"
"""No run begins by itself."""
STATE = """{
  runsOrError { ... on Runs { results { runId } } }
  assetNodeOrError(assetKey: {path: ["landed_pairs"]}) { ... on AssetNode {
    partitionKeys assetMaterializations { timestamp } assetObservations { timestamp }
  } }
}"""
REFUSED = "is not an address of this page"
"""In what the layer answers to a rebound name, which a page of that name may read."""


@dataclass
class Found:
    """What came of it: attempts and, of the bare server's, successes, by kind; and what the honest tab did."""

    tried: Counter[str] = field(default_factory=Counter)
    bare_tried: Counter[str] = field(default_factory=Counter)
    bare_done: Counter[str] = field(default_factory=Counter)
    rounds: list[str] = field(default_factory=list)
    honest: list[str] = field(default_factory=list)


def hostile_pages(folder: Path) -> Found | None:
    """Let hostile pages try everything; None where there is no browser.

    Raises:
        Lost: one of them changed or read something, or the page did not work for its own browser afterwards.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    found = Found()
    with ExitStack() as stack:
        page, snapshot = stack.enter_context(_open_page(folder))
        port = stack.enter_context(hostile_server())
        playwright = stack.enter_context(sync_playwright())
        options = [f"--host-resolver-rules={NAMES}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        stack.callback(browser.close)
        victim, stranger = browser.new_context(), browser.new_context()
        tab = victim.new_page()
        for link in (page.link.replace("127.0.0.1", "localhost"), page.link):
            tab.goto(link)
        _attack(page, snapshot, victim, stranger, port, found)
        found.honest = look_around(tab, page, snapshot, port)
        with _bare_server(page) as bare:
            _attack_bare(page, snapshot, stranger, port, bare, found)
    return found


@contextmanager
def _open_page(folder: Path) -> Iterator[tuple[Page, str]]:
    """A page on an instance in which something has landed, and the name of its snapshot."""
    folder.mkdir()
    (folder / "ser.toml").write_text(SETTINGS)
    pairs = write_jsonl(folder / "pairs.jsonl", labelled_rows(200))
    places = {"SER_DATA": str(folder / "data"), "SER_CONFIG": str(folder / "ser.toml")}
    command = [str(Path(sys.executable).with_name("ser")), "land", str(pairs), "--dataset", "tiny"]
    subprocess.run(command, env=os.environ | places, check=True, capture_output=True)
    page = Page(folder)
    try:
        page.wait_until_open()
        (snapshot,) = page.ask(STATE)["assetNodeOrError"]["partitionKeys"]
        page.report("landed_pairs", snapshot)
        yield page, snapshot
        page.end(signal.SIGINT)
    finally:
        page.close()


def _state(page: Page) -> dict[str, int]:
    """What a hostile page could have changed: how many there are, as the page says to whoever has its token."""
    said = page.ask(STATE)
    node = said["assetNodeOrError"]
    return {"runs": len(said["runsOrError"]["results"])} | {name: len(found) for name, found in node.items()}


def _attack(
    page: Page, snapshot: str, victim: BrowserContext, stranger: BrowserContext, port: int, found: Found
) -> None:
    """Let pages of other places try everything, and expect that nothing has changed."""
    here = f"http://127.0.0.1:{page.address[1]}"
    by_name, rebound = here.replace("127.0.0.1", "localhost"), here.replace("127.0.0.1", "evil.example")
    rounds = [
        ("another port of this machine", victim, f"http://127.0.0.1:{port}/", here),
        ("another site", victim, f"http://evil.example:{port}/", here),
        ("a name under localhost", victim, f"http://evil.localhost:{port}/", here),
        ("another port of localhost, to localhost", victim, f"http://localhost:{port}/", by_name),
        ("another site, to 0.0.0.0", victim, f"http://evil.example:{port}/", here.replace("127.0.0.1", "0.0.0.0")),
        ("a sandboxed page, whose origin is `null`", victim, f"http://evil.example:{port}/null", here),
        ("a rebound name", victim, f"{rebound}/hostile", rebound),
        ("another site, in a browser without the cookie", stranger, f"http://evil.example:{port}/", here),
        ("a rebound name, in a browser without the cookie", stranger, f"{rebound}/hostile", rebound),
    ]  # fmt: skip
    before = _state(page)
    for title, context, place, target in rounds:
        tried = attempts(snapshot, found.tried.total())
        for attempt, text in zip(tried, _texts(context, place, target, tried), strict=True):
            what = f"{title}: {attempt.way} {attempt.query}{attempt.path}"
            expect(not text or REFUSED in text, f"{what} read {len(text)} characters: {text[:300]}")
        found.tried.update(attempt.kind for attempt in tried)
        found.rounds.append(title)
        after = _state(page)
        expect(after == before, f"{title}: {before} became {after}")


def _texts(context: BrowserContext, place: str, target: str, tried: list[Attempt]) -> Iterator[str]:
    """What a hostile page at `place` has read from `target` by each of its attempts."""
    others = set(context.pages)
    tab = context.new_page()
    if place.endswith("/hostile"):  # it has come from elsewhere, before its name led to this machine
        tab.route("**/hostile", lambda route: route.fulfill(body=HTML, content_type="text/html"))
    kind = ""
    for attempt in tried:
        if attempt.kind != kind:
            tab.goto(place)
            kind = attempt.kind
        yield tab.evaluate("asked => attack(asked)", [attempt.way, target, attempt.query, attempt.path])
        for opened in set(context.pages) - others - {tab}:
            opened.close()
    tab.close()


def _attack_bare(page: Page, snapshot: str, context: BrowserContext, port: int, bare: str, found: Found) -> None:
    """The same against Dagster's own web server, and count what changes or is read: nothing is kept out there."""
    rebound = bare.replace("127.0.0.1", "evil.example")
    number = found.tried.total()
    for place, target in ((f"http://evil.example:{port}/", bare), (f"{rebound}/hostile", rebound)):
        tried = attempts(snapshot, number + found.bare_tried.total())
        before = _state(page)
        for attempt, text in zip(tried, _texts(context, place, target, tried), strict=True):
            after = _state(page)
            found.bare_done[attempt.kind] += bool(text) or after != before
            if not after["assetMaterializations"]:
                page.report("landed_pairs", snapshot)
            before = _state(page) if after != before else after
        found.bare_tried.update(attempt.kind for attempt in tried)


@contextmanager
def _bare_server(page: Page) -> Iterator[str]:
    """The address of Dagster's own web server on the same instance and code location."""
    commands = [process.cmdline() for process in page.process.children()]
    (web,) = [command for command in commands if "ser_dagster.web" in command]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    found_at = ("--workspace", web[web.index("--workspace") + 1])
    environment = os.environ | {"DAGSTER_HOME": str(page.folder / "data" / "dagster")}
    process = subprocess.Popen(
        [program, "--host", "127.0.0.1", "--port", str(port), *found_at],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_answer(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_answer(port: int) -> None:
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        with suppress(OSError):
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/server_info")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.5)
    raise SerError(f"dagster-webserver does not answer at port {port}")
