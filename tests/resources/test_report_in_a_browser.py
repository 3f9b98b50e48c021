"""The report as a browser draws it: on a phone, a laptop and a wide screen, for eyes, pointers and screen readers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_fakes import named, record
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from resources.audit.database import AuditDatabase
from resources.audit.sync import sync
from resources.reporting.index import render_index
from resources.reporting.report import render_report
from resources.settings import Settings
from tests.browser import NEEDS_CHROMIUM, chromium

pytestmark = NEEDS_CHROMIUM
SIZES = {400: 800, 1024: 768, 1920: 1080}
CUT = """() => [...document.querySelectorAll('p, h1, h2, li, dd, figcaption, .tag')]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
    .map((one) => one.textContent.trim().slice(0, 60))"""
OVERLAPPING = """() => [...document.querySelectorAll('svg')].flatMap((svg) => {
    const texts = [...svg.querySelectorAll('text')].filter((one) => one.textContent.trim() && one.checkVisibility());
    const boxes = texts.map((one) => one.getBoundingClientRect());
    return boxes.flatMap((a, i) => boxes.slice(i + 1).flatMap((b, j) =>
        a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 3 && b.top < a.bottom - 3
            ? [`${texts[i].textContent} / ${texts[i + 1 + j].textContent}`] : []));
})"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    run, database = record(folder), AuditDatabase(folder / "audit.duckdb")
    sync(database, run)
    made = {"report": render_report(database.path, run.evolution), "index": render_index(database.path)}
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html)
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def opened(browser: Browser, path: Path, width: int, **options: Any) -> tuple[Page, list[str]]:
    """The page at a width, and what it asked for or complained of."""
    tab = browser.new_page(viewport={"width": width, "height": SIZES[width]}, **options)
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: told.append(request.url) if request.url != path.as_uri() else None)
    tab.goto(path.as_uri())
    return tab, told


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", ["report", "index"])
def test_nothing_is_cut_overlaps_or_is_asked_for(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    tab, told = opened(browser, pages[name], width, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert told == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(CUT) == [] and tab.evaluate(OVERLAPPING) == []
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    tab.close()


def test_the_five_answers_are_there_before_any_scrolling(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["report"], 1024)
    for name in ("helped", "trusted", "gains", "labels", "policy-answer", "next"):
        box = tab.locator(f"#{name}").bounding_box()
        assert box is not None and box["y"] + box["height"] <= SIZES[1024], name
    tab.close()


def test_on_a_phone_they_stand_in_their_order(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["report"], 400)
    boxes = [
        tab.locator(f"#{name}").bounding_box() for name in ("helped", "trusted", "labels", "policy-answer", "next")
    ]
    tops = [box["y"] for box in boxes if box]
    assert len(tops) == 5 and tops == sorted(tops)
    tab.close()


def test_tables_sort_and_marks_say_what_they_are(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["report"], 1024)
    table = tab.locator("#loops table")
    names = table.locator("tbody th")
    assert names.all_text_contents()[:2] == ["seed", "loop 1, promoted"]
    table.locator("thead th", has_text="test").click()
    assert names.all_text_contents()[:2] == ["seed", "longer wins"]  # 50 % each, then 75 %
    table.locator("thead th", has_text="test").press("Enter")
    assert names.all_text_contents()[0] == "loop 1, promoted"
    tab.evaluate("document.querySelector('#loops tbody th').textContent = 'loop 10'")
    table.locator("thead th").first.click()
    assert names.all_text_contents() == ["longer wins", "loop 2 (converged)", "loop 10", "seed"]
    tab.locator("#gains svg path[aria-label^='loop 1']").hover()
    assert tab.locator(".tip").text_content() == "loop 1: +25.0 (−38.3 to +71.7) points; 1 mended, 0 broken"
    tab.close()


def test_a_headline_leads_to_its_sql(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["report"], 1024)
    for name in ("helped", "trusted", "gains", "labels", "policy-answer"):
        link = tab.locator(f"#{name} h2 a")
        shown = tab.locator(link.get_attribute("href") or "")
        assert not shown.is_visible()
        link.click()
        assert shown.is_visible() and (shown.text_content() or "").startswith(("SELECT", "WITH")), name
        tab.reload()
    tab.close()


def test_a_long_table_is_filtered_by_a_word(browser: Browser, tmp_path: Path) -> None:
    database, path = AuditDatabase(tmp_path / "audit.duckdb"), tmp_path / "index.html"
    seed = {"seed_rm": record(tmp_path).artifacts["seed_rm"]}
    for number in range(9):
        sync(database, named(seed, name=f"try {number}", settings=Settings(random_seed=number)))
    path.write_text(render_index(database.path))
    tab, told = opened(browser, path, 1024)
    rows = tab.locator("tbody tr:visible")
    assert rows.count() == 9
    tab.get_by_label("Filter: Evolutions").fill("TRY 7")
    assert rows.count() == 1 and "try 7" in (rows.text_content() or "")
    tab.get_by_label("Filter: Evolutions").fill("")
    assert rows.count() == 9 and told == []
    assert Axe().run(tab).violations_count == 0
    tab.close()


def test_the_longest_names_fit(browser: Browser, tmp_path: Path) -> None:
    database, dataset = AuditDatabase(tmp_path / "audit.duckdb"), "d" * 64
    run = named(record(tmp_path).artifacts, name="n" * 200, dataset=dataset, snapshot=f"{dataset}-0123456789ab")
    sync(database, run)
    for name, html in {
        "report": render_report(database.path, run.evolution), "index": render_index(database.path),
    }.items():  # fmt: skip
        path = tmp_path / f"{name}.html"
        path.write_text(html)
        tab, _ = opened(browser, path, 400)
        assert tab.evaluate("document.documentElement.scrollWidth") == 400, name
        tab.close()


def test_it_prints(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["report"], 1024)
    tab.emulate_media(media="print")
    assert not tab.locator("nav").is_visible() and tab.locator("#helped").is_visible()
    assert len(tab.pdf()) > 20_000
    tab.close()
