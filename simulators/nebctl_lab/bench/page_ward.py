"""A unit with four real browser pages and a tap on its wire: when START was pressed, what each page showed."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from nebctl_lab.bench.page_tap import Heard, read_heard
from nebctl_lab.bench.tap import put_between
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.browser import PANEL, launched
from nebctl_lab.people import PIN, THERAPIST

PAGES = 4
POURED_NL = 3_000_000
TAIL_S = 2.0
SIGN_IN = """async ([operator, pin]) => {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch('/api/login', { method: 'POST', headers, body: JSON.stringify({ operator, pin }) });
  return answer.status;
}"""
PROBE = """(() => {
  window.pressed = [];
  window.shown = [];
  let newest = null;
  const note = () => setTimeout(() => {
    const number = document.getElementById('emitted');
    if (newest?.state === 'running' && number && newest.emitted) {
      window.shown.push([Date.now(), newest.on_ms, newest.emitted.best_nl, number.textContent]);
    }
  });
  const Stream = window.EventSource;
  window.EventSource = class extends Stream {
    set onmessage(act) {
      super.onmessage = (event) => {
        act(event);
        newest = JSON.parse(event.data);
        requestAnimationFrame(note);
      };
    }
  };
  const ask = window.fetch;
  window.fetch = (path, options) => {
    if (path === '/api/start') window.pressed.push(Date.now());
    return ask(path, options);
  };
})()"""
"""Notes when the page asked for START, and after each frame that drew a view: when, which on-time, which number."""
REVIEW = """(words) => {
  const found = [...document.querySelectorAll('#main button')].find((one) => one.textContent === words);
  if (found) found.click();
  return document.querySelector('#upper[data-mode="start"]:enabled') !== null;
}"""


class PageWard:
    """The unit, its wire and its pages; it may begin one dose and `more`, each for a subject of its own."""

    def __init__(self, root: Path, more: int = 0) -> None:
        root.mkdir()
        self.bench = Bench(root / "site", tcp=True, subjects=1 + more)
        self._log = root / "heard.txt"
        self._stack = contextlib.ExitStack()
        self.pages: list[Any] = []

    def __enter__(self) -> Self:
        """Start everything and sign the therapist in at every page."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.bench.close)
            stack.callback(put_between(self.bench, "nebctl_lab.bench.page_tap", self._log).kill)
            self.bench.start_unit()
            browser = stack.enter_context(launched())
            self.pages = [self._open(browser) for _ in range(PAGES)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._stack.close()

    def _open(self, browser: Any) -> Any:
        page = browser.new_context(viewport=PANEL, has_touch=True).new_page()
        page.add_init_script(PROBE)
        page.goto(self.bench.unit.ready)
        assert page.evaluate(SIGN_IN, [THERAPIST[0], PIN]) == 200
        page.reload()
        page.wait_for_selector('#main[data-screen="idle"]')
        return page

    def press_starts(self, starts: int) -> Iterator[tuple[float, float]]:
        """Hold START so often on the first page; yield when it asked, and when the device took it, in Unix ms."""
        for _ in range(starts):
            pressed = self._press(self.bench.subject)
            yield pressed, self.heard().starts[-1]  # noted before the unit could hear of it
            self.bench.turn_to_next()

    def _press(self, subject: str) -> float:
        """Prepare a dose, show its review on the first page, hold START until it runs, and return when it was asked."""
        page = self.pages[0]
        self.bench.make_ready(subject, poured_nl=POURED_NL)
        asked = page.evaluate("() => window.pressed.length")
        until(lambda: page.evaluate(REVIEW, "Review the dose"), "the page offers START")
        place = page.locator("#upper").bounding_box()
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        page.mouse.down()
        page.wait_for_function("(asked) => window.pressed.length > asked", arg=asked)
        page.mouse.up()
        until(lambda: self.bench.view()["state"] == "running", "the dose runs")
        return float(page.evaluate("() => window.pressed.at(-1)"))

    def watch(self, seconds: float) -> tuple[Heard, Sequence[Sequence[Any]]]:
        """Let a dose run so long, and return what the device reported and what each page showed meanwhile."""
        self._press(self.bench.subject)
        for page in self.pages:
            page.wait_for_selector("#emitted")
        self._log.write_text("", "ascii")
        for page in self.pages:
            page.evaluate("() => window.shown.splice(0)")
        time.sleep(seconds)
        heard = self.heard()
        time.sleep(TAIL_S)  # what was reported last has its time too
        shown = [page.evaluate("() => window.shown") for page in self.pages]
        self.bench.settle()
        return heard, shown

    def heard(self) -> Heard:
        """Return what the device said, by the tap."""
        return read_heard(self._log)
