"""The Dagster page in a browser: what ran in the terminal, a run that is started there, and nothing that is cut."""

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, TimeoutError, expect
from playwright.sync_api import Page as Tab

from assets.graph import graph
from resources.settings_file import load_settings
from tests import chain
from tests.browser import NEEDS_CHROMIUM, chromium, screenshot, surroundings, watched
from tests.dagster_page import drawn_graph, ink, shortened, tables
from tests.page import Page
from tests.pairs import labelled_rows, write_jsonl

pytestmark = NEEDS_CHROMIUM

PATIENCE = 420_000.0
"""Milliseconds."""
WINDOWS = {
    "loop_1/self_labels": ("img", 2), "seed_rm": ("img", 2), "evolved_rm": ("img", 1), "ppo_policy": ("img", 2),
    "loop_1/filtered_pairs": ("table", 2),
}  # fmt: skip
"""What these assets show in windows that are opened: charts or pairs, and in how many."""
WIDEST = (
    "audit_sync", "loop_1/filtered_pairs", "loop_1/self_labels", "loop_1/retrained_rm", "encoded_pairs", "splits",
)  # fmt: skip
"""The assets that have the longest keys and values."""
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 400, "height": 800},
    "is_mobile": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14) Chrome/150.0 Mobile Safari/537.36",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Page]:
    """The page, after `ser run` on a snapshot, of two loops where there is room for three."""
    folder = tmp_path_factory.mktemp("browser")
    settings = "loops = 2\n[controls]\nmore_steps = true\n[thresholds]\nn_min = 5\n" + chain.SETTINGS
    with chain.project(folder, settings, tiny_backbone) as (root, _):
        chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(450, noise=0.12)), dataset="mine")
        subprocess.run([Path(sys.executable).with_name("ser"), "run", "--no-policy"], check=True, capture_output=True)
        started = Page(folder)
        try:
            started.wait_until_open()
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def tab(browser: Browser, page: Page) -> Tab:
    return opened(browser, page, viewport={"width": 1400, "height": 900})


@pytest.fixture(scope="module")
def told(tab: Tab, page: Page) -> list[str]:
    return watched(tab, address(page))


@pytest.fixture(autouse=True)
def nothing_is_complained_of(told: list[str]) -> Iterator[None]:
    """No error on the console, and nothing asked of anybody else.

    Dagster's own warnings (of Apollo: `useLazyQuery`, `cache.modify`) and its line that recommends Apollo's tools are
    no errors, and so are not among these.
    """
    told.clear()  # each test answers for itself
    yield
    assert told == []


def address(page: Page) -> str:
    return page.link.partition("?")[0]


def opened(browser: Browser, page: Page, **window: Any) -> Tab:
    """A tab that has the page's token, in a window or on a phone, where Dagster has a layout of its own."""
    tab = browser.new_page(base_url=address(page), **window)
    tab.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    tab.goto(page.link)
    tab.wait_for_url(re.compile("^(?!.*token=)"))  # it is kept from here on
    if window == PHONE:
        tab.goto("/assets/splits")
        tab.get_by_text("Metadata", exact=True).click()  # folded on phones, until somebody opens it
    return tab


def show_metadata(tab: Tab, key: str) -> None:
    tab.goto(f"/assets/{key}", wait_until="domcontentloaded")
    expect(tab.get_by_text("summary", exact=True)).to_be_visible()


@pytest.fixture(scope="module")
def launched(tab: Tab) -> str:
    """Where the run is that was started in the Launchpad, with the mouse, when it has ended."""
    tab.goto("/locations/ser_dagster/jobs/ser_run/playground")
    snapshot = tab.get_by_text(re.compile(r"^mine-[0-9a-f]{12}$"))
    give_up = time.monotonic() + PATIENCE / 1000
    while not snapshot.is_visible() and time.monotonic() < give_up:
        tab.get_by_placeholder("Partition").fill("")
        tab.get_by_placeholder("Partition").fill("mine")  # of no effect before Dagster has fetched the snapshots
        with suppress(TimeoutError):
            snapshot.wait_for(timeout=5_000)
    snapshot.click()
    tab.get_by_role("button", name="Launch Run").click()
    tab.wait_for_url("**/runs/*")
    expect(tab.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first).to_be_visible()
    return tab.url


def test_what_ran_in_the_terminal_is_everywhere_and_the_launchpad_has_its_settings(tab: Tab) -> None:
    def shows(path: str, *texts: str) -> None:
        tab.goto(path, wait_until="domcontentloaded")
        for text in texts:
            expect(tab.get_by_text(text).first).to_be_visible()

    shows("/overview/activity/timeline", "ser_run")
    shows("/runs", "ser/started_by: ser run", "Success")
    shows("/locations/ser_dagster/jobs/ser_run/runs", "ser/started_by: ser run")
    shows("/locations/ser_dagster/jobs/ser_run/playground", "random_seed", "other_settings", "recipe")
    shows("/assets/landed_pairs", "new_pairs", "landed_at", "labelled")
    shows("/locations/ser_dagster/sensors/landing", "Lands finished files")


def test_a_run_that_is_started_in_the_launchpad_ends_well_and_shows_which_loop_was_skipped(
    tab: Tab, launched: str
) -> None:
    tab.goto(launched)
    expect(tab.get_by_text("Success", exact=True).first).to_be_visible()
    expect(tab.get_by_text("Errored (0)")).to_be_visible()
    tab.get_by_placeholder("Filter…").fill("type:STEP_SKIPPED")
    for name in ("status_report", "filtered_pairs", "retrained_rm"):
        expect(tab.get_by_text(f'Skipped execution of step "loop_3__{name}".')).to_be_visible()
    skipped = tab.get_by_text("Skipped execution of step").all_text_contents()
    assert all('"loop_3__' in line for line in skipped)
    for key, status in (("loop_3/status_report", "Never materialized"), ("policy_evaluation", "win rate")):
        tab.goto(f"/assets/{key}", wait_until="domcontentloaded")
        expect(tab.get_by_text(status).first).to_be_visible()


def test_the_graph_shows_every_asset_in_its_group_and_every_edge(tab: Tab, launched: str) -> None:
    assets, _ = graph(load_settings())
    names = {key: f"{one.group_names_by_key[key]}/{shortened(key.path[-1])}" for one in assets for key in one.keys}
    edges = [(names[before], names[key]) for one in assets for key, of in one.asset_deps.items() for before in of]
    tab.set_viewport_size({"width": 1800, "height": 2150})  # Dagster draws what is seen
    tab.goto("/asset-groups")
    tab.evaluate("localStorage.setItem('asset-graph-direction', JSON.stringify('vertical'))")
    tab.get_by_text("reward_models").last.wait_for()
    tab.keyboard.press("Alt+e")  # opens all groups
    tab.get_by_text("half_seed_rm").wait_for()
    tab.reload()  # brings all of them into view
    expect(tab.locator("path[marker-end]")).to_have_count(len(edges))
    drawn_nodes, drawn_edges = drawn_graph(tab)
    assert sorted(drawn_nodes) == sorted(names.values())
    assert sorted(drawn_edges) == sorted(edges)
    tab.wait_for_load_state("networkidle")  # the colours come last
    screenshot(tab, "graph", clip=surroundings(tab.locator("foreignObject")))


@pytest.mark.parametrize(("window", "keys"), [(PHONE, WINDOWS), (DESKTOP, ["evolved_rm"])], ids=["phone", "desktop"])
def test_charts_and_pairs_are_drawn_and_fit_into_their_windows(
    browser: Browser, page: Page, launched: str, window: dict[str, Any], keys: Iterable[str]
) -> None:
    """Dagster shows what is longer than 1,000 characters in a window of its own."""
    tab = opened(browser, page, **window)
    told = watched(tab, address(page))
    room = tab.get_by_role("dialog").locator(".dagster-markdown")
    for key in keys:
        show_metadata(tab, key)
        what, n = WINDOWS[key]
        expect(tab.get_by_text("[Show Markdown]")).to_have_count(n)
        for number in range(n):
            tab.get_by_text("[Show Markdown]").nth(number).click()
            expect(room.locator(what).first).to_be_visible()
            assert what != "img" or ink(room.locator(what)) > 0.02, key
            needed, given = (room.evaluate(f"(one) => one.{side}") for side in ("scrollWidth", "clientWidth"))
            assert needed == given >= 300, (key, needed, given)
            if window == DESKTOP:
                screenshot(tab, "asset", clip={"x": 240, "y": 0, "width": 722, "height": 860})
            if number == n - 1:
                # In what is not ours, axe finds aria-allowed-attr, aria-dialog-name, nested-interactive and region;
                # colours are Dagster's, and pale as long as the window fades in.
                options = {"rules": {"color-contrast": {"enabled": False}}}
                found = Axe().run(tab, context="[role=dialog] .dagster-markdown", options=options)
                assert found.violations_count == 0, found.generate_report()
            tab.keyboard.press("Escape")
            expect(tab.get_by_role("dialog")).to_have_count(0)
    assert told == []
    tab.close()


def test_the_report_says_what_the_page_says(browser: Browser, page: Page, tab: Tab, launched: str) -> None:
    show_metadata(tab, "report")
    verdict = tab.get_by_role("row").filter(has_text="summary").inner_text()
    [gain] = re.findall(r"[+−][\d.]+ points \(.*?\)", verdict)
    report = browser.new_page(viewport={"width": 1024, "height": 768})
    [path] = (page.folder / "data" / "reports").glob("mine-*.html")
    report.goto(path.as_uri())
    expect(report.locator("#helped")).to_contain_text(gain)
    last = report.locator("#next").bounding_box()
    assert last and last["y"] + last["height"] <= 768  # all that is answered is on the first screen
    screenshot(report, "report")
    report.close()


def test_no_value_of_ours_is_cut_or_drawn_over_another(browser: Browser, page: Page, launched: str) -> None:
    """Each can be read without moving its table to and fro; on a wide window the whole table is seen.

    Dagster gives a table 368 pixels on a phone and 478 beside its two columns in a window of 1,024: less than key,
    time and the name of an evolution need, so that it has to be moved sideways there.
    """
    desktop, phone = opened(browser, page, **DESKTOP), opened(browser, page, **PHONE)
    for key in WIDEST:
        show_metadata(phone, key)
        show_metadata(desktop, key)
        for tab, width in ((phone, 400), (desktop, 1024), (desktop, 1280), (desktop, 1920)):
            tab.set_viewport_size({"width": width, "height": 800})
            shown = tables(tab)
            assert any("summary" in table.keys for table in shown)
            for table in shown:
                assert table.cut == [] and table.widest <= table.view, (key, width, table)
                assert width < 1280 or table.width <= table.view, (key, width, table)
    desktop.close()
    phone.close()
