"""A real browser for tests: Debian's Chromium, what it complains of, and pictures of what it shows."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, sync_playwright

SCREENSHOTS = os.environ.pop("SER_SCREENSHOTS", None)
"""The folder of the documentation's pictures, if they are to be taken anew (`make screenshots`): taken out of the
environment, where every other `SER_…` is a setting."""
CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt install chromium"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, until it is no longer needed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def watched(tab: Page, address: str) -> list[str]:
    """What a tab complains of, and what it asks of anybody but `address`, from now on."""
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: told.append(str(error)))
    own = (address, f"blob:{address}", "data:")  # a blob and a data URL are asked of the tab itself
    tab.on("request", lambda request: None if request.url.startswith(own) else told.append(request.url))
    return told


def screenshot(tab: Page, name: str, **options: Any) -> None:
    """Take a picture for the documentation, if those are to be taken anew."""
    if SCREENSHOTS:
        tab.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", **options)


def surroundings(parts: Locator, margin: float = 12) -> FloatRect:
    """The part of a tab that shows all of these, to be cut out of a picture."""
    boxes = [box for one in parts.all() if (box := one.bounding_box())]
    left, top = (min(box[side] for box in boxes) - margin for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes) + margin
    bottom = max(box["y"] + box["height"] for box in boxes) + margin
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
