"""Debian's Chromium by Playwright, for tests and benchmarks that look at a page; neither is needed to run a unit."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

CHROMIUM = "chromium"
PANEL = {"width": 800, "height": 480}
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none")


def missing() -> str:
    """Return what a browser lacks on this machine; "" where nothing."""
    try:
        import playwright.sync_api  # noqa: F401, PLC0415 - a tool of the developer's, looked for when it is wanted
    except ImportError:
        return "playwright is not installed: pip install playwright"
    return "" if shutil.which(CHROMIUM) else "no chromium: apt-get install chromium"


@contextlib.contextmanager
def launched() -> Iterator[Any]:
    """Give one headless browser while the body runs."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()
