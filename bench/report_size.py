"""The page of ten loops over very many self-labels: how large it is, and how soon a browser has drawn it."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

from assets.audit import audit_path
from bench.measure import table
from bench.typed import ser
from bench.workload import model_folder
from resources.audit.queries import find_evolution
from resources.reporting.report import render_report
from resources.settings_file import ROOT

SETTINGS = {
    "SER_RECIPE": "robust", "SER_METHOD__TEACHERS": "2", "SER_METHOD__SELECT": "all",
    "SER_REWARD_MODEL__LORA__TOP": "0.125",
}  # fmt: skip
"""Loops that keep every pair never end early, and label the whole pool again."""
MOST_BYTES, MOST_SECONDS = 3e6, 2.0
WIDTH, HEIGHT = 1024, 768
_COPIES = """
INSERT INTO pairs BY NAME
SELECT p.* REPLACE (pair_id || '-' || copy AS pair_id) FROM pairs p, range(1, $copies) AS copies(copy);
INSERT INTO human_labels BY NAME
SELECT h.* REPLACE (pair_id || '-' || copy AS pair_id) FROM human_labels h, range(1, $copies) AS copies(copy);
INSERT INTO role_facts BY NAME
SELECT r.* REPLACE (pair_id || '-' || copy AS pair_id)
FROM role_facts r, range(1, $copies) AS copies(copy) WHERE role = 'pool';
INSERT INTO self_label_facts BY NAME
SELECT f.* REPLACE (pair_id || '-' || copy AS pair_id) FROM self_label_facts f, range(1, $copies) AS copies(copy)
"""


def report_size(loops: int, max_pairs: int, labels: int, rounds: int) -> str:
    """A real evolution of `loops` loops, each pair of whose pool is copied until there are `labels` self-labels."""
    environment = os.environ | SETTINGS | {
        "SER_LOOPS": str(loops), "SER_MAX_LOOPS": str(loops), "SER_ROLES__MAX_PAIRS": str(max_pairs),
        "SER_BACKBONE__MODEL": str(model_folder()),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        environment["SER_DATA"] = folder
        ser(environment, "land", ROOT / "data" / "sample" / "pairs.jsonl", "--dataset", "sample")
        ser(environment, "run", "--no-policy")
        path, page = audit_path(Path(folder)), Path(folder) / "page.html"
        counted = _multiply(path, labels)
        start = time.perf_counter()
        page.write_text(render_report(path, find_evolution(path)))
        written, drawn = time.perf_counter() - start, [_drawn(page) for _ in range(rounds)]
        size = page.stat().st_size
    reached = "yes" if size <= MOST_BYTES and median(drawn) <= MOST_SECONDS else "missed"
    row = [f"{loops}", f"{counted:,}", f"{size / 1e3:.0f}", f"{written:.1f}"]
    row += [
        f"{median(drawn):.2f} ({min(drawn):.2f} to {max(drawn):.2f})",
        f"≤ {MOST_BYTES / 1e3:.0f} kB, {MOST_SECONDS:g} s: {reached}",
    ]
    return table([row], ["loops", "self-labels", "kB", "written in (s)", "drawn in (s): median (range)", "must"])


def _multiply(path: Path, labels: int) -> int:
    """Copy the pairs of the pool under other names, with all that is known of them; how many self-labels there are."""
    with duckdb.connect(str(path)) as connection:
        [(now,)] = connection.execute("SELECT count(*) FROM self_labels").fetchall()
        for statement in _COPIES.split(";"):
            connection.execute(statement, {"copies": -(-labels // now)})
        return connection.execute("SELECT count(*) FROM self_labels").fetchall()[0][0]


def _drawn(page: Path) -> float:
    """Seconds from asking a fresh browser for the page until all of it is laid out and painted once."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("needs a browser: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        seconds = time.perf_counter() - start
        browser.close()
    return seconds
