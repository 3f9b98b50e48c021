"""Every link of a page for people leads somewhere."""

import re
from pathlib import Path

import pytest

from resources.settings_file import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("data/*/*.md")]


def anchors(page: Path) -> set[str]:
    """The places that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_it_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        led = (page.parent / name).resolve() if name else page
        assert led.exists(), target
        assert not anchor or anchor in anchors(led), target


def test_anchors_are_those_of_headings() -> None:
    assert {"what-sql-may-do", "the-watch-over-loops"} <= anchors(ROOT / "docs" / "audit.md")
