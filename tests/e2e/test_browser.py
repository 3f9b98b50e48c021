"""The Dagster page in a browser, as somebody sees it who comes from the terminal."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect, sync_playwright

from tests import chain
from tests.page import Page
from tests.pairs import labelled_rows, write_jsonl

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt install chromium"),
]

PATIENCE = 90_000.0
"""Milliseconds."""


@pytest.fixture
def tab(data_root: Path, tmp_path: Path) -> Iterator[Tab]:
    """A tab of a browser on the page, after `ser run` on a snapshot."""
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    subprocess.run([Path(sys.executable).with_name("ser"), "run", "--no-policy"], check=True, capture_output=True)
    page = Page(tmp_path)
    try:
        page.wait_until_open()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            found = browser.new_page(base_url=page.link.partition("?")[0], viewport={"width": 1400, "height": 900})
            found.set_default_timeout(PATIENCE)
            found.goto(page.link)  # the token is kept from here on
            yield found
            browser.close()
    finally:
        page.close()


def test_what_ran_in_the_terminal_is_everywhere_and_the_launchpad_has_its_settings(tab: Tab) -> None:
    def shows(path: str, *texts: str) -> None:
        tab.goto(path, wait_until="domcontentloaded")
        for text in texts:
            expect(tab.get_by_text(text).first).to_be_visible(timeout=PATIENCE)

    shows("/overview/activity/timeline", "ser_run")
    shows("/runs", "ser/started_by: ser run", "Success")
    shows("/locations/ser_dagster/jobs/ser_run/runs", "ser/started_by: ser run")
    shows("/locations/ser_dagster/jobs/ser_run/playground", "random_seed", "other_settings", "recipe")
    shows("/assets/landed_pairs", "new_pairs", "landed_at", "labelled")
    shows("/locations/ser_dagster/sensors/landing", "Lands finished files")
    shows("/asset-groups?expanded=*", "on_demand_policies", "on_demand_controls")
