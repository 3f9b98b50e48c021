"""The commands that the pages for people name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from resources.settings_file import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = ["own-data", "README", "report", "audit", "sql", "review", "export", "plan", "disk", "data"]
"""Pages whose commands a test types as they stand, in this order (tests/e2e/test_documented_runs.py)."""
ELSEWHERE = {
    "gpu": "tests/e2e/test_preset_chain.py",
    "hub-data": "tests/e2e/test_land_hub.py",
    "security": "tests/e2e/test_page.py",
    "studies": "tests/e2e/test_study.py",
}
"""Pages whose commands need a hub, a model or a page that stays open, with the test that runs them on small ones."""
_COMMAND = re.compile(r"^(?:\.venv/bin/)?ser (?=[a-z-])")


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each `ser` that stands as a line of its own, indented, to be typed as it is."""
    lines = iter(page.read_text().splitlines())
    for line in lines:
        found = _COMMAND.match(line.strip())
        if not found or not line.startswith("    "):
            continue
        typed = line.strip()[found.end() :]
        while True:
            try:
                yield shlex.split(typed, comments=True)
                break
            except ValueError:  # a quotation that goes on in the next line
                typed = f"{typed}\n{next(lines, '')}"
                assert not typed.endswith("\n\n"), f"{page.name}: a quotation does not end: {typed}"


def mentions(page: Path) -> list[str]:
    """What follows `ser` wherever a sentence or a table names a command."""
    return _named(page.read_text())


def listed(page: Path) -> list[str]:
    """The same, of tables alone."""
    return _named("\n".join(line for line in page.read_text().splitlines() if line.startswith("|")))


def _named(text: str) -> list[str]:
    return re.findall(r"`(?:\.venv/bin/)?ser ([a-z][^`]*)`", text)
