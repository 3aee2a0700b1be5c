"""The page on a stage: our own page before views as the core sends them, with no unit behind it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nebctl.bedside.api import PAGE
from nebctl.core.alarms import Priority
from nebctl.core.melody import composed
from nebctl.webpage import HEADERS, files_of
from tests.page.conftest import BOUNCE_MS

HERE = Path(__file__).parent
VIEWS: dict[str, Any] = json.loads((HERE / "views.json").read_text("utf-8"))
LOOK = (HERE.parent / "look.js").read_text("utf-8")
"""Returns what is wrong with what a page shows, at a scale of 1 for 800 x 480."""
TOLD = {
    "/api/device": VIEWS["device"],
    "/api/melody": {p.value if p else "information": composed(p) for p in (*Priority, None)},
}
ADDRESS = "http://127.0.0.1:9"
SMALL, LARGE = {"width": 800, "height": 480}, {"width": 1280, "height": 800}


def catalogue(language: str) -> dict[str, str]:
    """Return every sentence in a language: the page's own, and what the unit says to it."""
    texts = (json.loads((PAGE / f"{kind}.{language}.json").read_text("utf-8")) for kind in ("text", "heard", "scanned"))
    return {key: sentence for words in texts for key, sentence in words.items()}


ENGLISH, CHINESE = catalogue("en"), catalogue("zh")


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen as it is reached: the view, the page's name for it, and the taps from there, by catalogue key.

    `answer` is what each command is answered on the way: status and body.
    """

    name: str
    screen: str
    view: dict[str, Any]
    taps: tuple[str, ...] = ()
    answer: tuple[int, Any] = (200, {})


SCREENS = tuple(
    Screen(
        one["name"],
        one["screen"],
        VIEWS["base"] | one["view"],
        tuple(one["taps"]),
        tuple(one.get("answer", (200, {}))),
    )
    for one in VIEWS["screens"]
)


@dataclass
class Stage:
    """A page whose unit is the test: `posts` are the commands it sent, `answer` what each is answered.

    `files` stand in place of the page's own; `elsewhere` is what the page asked of others.
    """

    page: Any
    words: dict[str, str] = field(default_factory=lambda: ENGLISH)
    posts: list[tuple[str, Any]] = field(default_factory=list)
    answer: tuple[int, Any] = (200, {})
    files: dict[str, bytes] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)

    def put_on(self, view: dict[str, Any] | None) -> None:
        """Show this view from now on; None cuts the stream."""
        self.page.evaluate("(view) => window.putOn(view)", view)

    def reach(self, screen: Screen) -> None:
        """Go to a screen from a page that has forgotten the screen before."""
        self.answer = screen.answer
        taps = [tap if tap[0] in "#=~" else self.words[tap].split("{")[0] for tap in screen.taps]
        away = VIEWS["base"] | {"operator": None}
        found = self.page.evaluate("([away, view, taps]) => window.reach(away, view, taps)", [away, screen.view, taps])
        assert found == screen.screen
        self.page.wait_for_selector("#main h1", state="attached")

    def tap(self, key: str) -> None:
        """Tap what a catalogue key names, or what a selector that begins with # finds, once a touch before is over."""
        found = self.page.locator(key if key.startswith("#") else "button:visible")
        if not key.startswith("#"):
            found = found.filter(has_text=self.words[key].split("{")[0])
        self.page.wait_for_timeout(BOUNCE_MS)
        found.first.tap(timeout=6_000)

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the middle of what the selector finds."""
        place = self.page.locator(selector).bounding_box()
        return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

    def sent(self, wanted: int = 1) -> list[str]:
        """Return the names of the commands sent since the last call, once so many are there, or after 3 s."""
        for _ in range(100):
            self.page.wait_for_timeout(30)
            if len(self.posts) >= wanted:
                break
        names = [name for name, _ in self.posts]
        self.posts.clear()
        return names

    def serve(self, route: Any) -> None:
        """Answer the page: its own files, and every command."""
        path = route.request.url.removeprefix(ADDRESS).partition("?")[0]
        if not path.startswith("/"):
            self.elsewhere.append(path)
            route.abort()
            return
        if path.startswith("/api/"):
            if route.request.method == "POST" and path != "/api/reviewed":  # news of what is shown, no command
                self.posts.append((path.removeprefix("/api/"), route.request.post_data_json))
            status, body = (200, TOLD[path]) if path in TOLD else self.answer
            route.fulfill(status=status, json=body, headers=dict(HEADERS))
            return
        content, media_type = files_of(PAGE)[path]
        route.fulfill(body=self.files.get(path, content), headers={**HEADERS, "content-type": media_type})


@contextlib.contextmanager
def open_stage(
    browser: Any,
    *,
    size: dict[str, int] = SMALL,
    language: str = "en",
    clock: bool = False,
    files: dict[str, bytes] | None = None,
) -> Iterator[Stage]:
    """Open a page on the stage; with a clock, the test may let its time jump."""
    context = browser.new_context(viewport=size, has_touch=True)
    opened = Stage(context.new_page(), files=files or {}, words=CHINESE if language == "zh" else ENGLISH)
    if clock:
        context.clock.install()
    context.add_init_script(path=HERE / "stage.js")
    context.route("**/*", opened.serve)
    opened.page.goto(f"{ADDRESS}/?lang={language}")
    opened.put_on(VIEWS["base"])
    opened.page.wait_for_selector('#main[data-screen="idle"]')
    yield opened
    context.close()


@pytest.fixture(scope="module")
def stages(browser: Any) -> Iterator[dict[str, Stage]]:
    """Give the pages that all looks share: English at both sizes, and Chinese at the small one."""
    with contextlib.ExitStack() as stack:
        yield {
            "": stack.enter_context(open_stage(browser)),
            "-large": stack.enter_context(open_stage(browser, size=LARGE)),
            "-zh": stack.enter_context(open_stage(browser, language="zh")),
        }


@pytest.fixture
def fresh(browser: Any) -> Iterator[Stage]:
    """Give a page of its own to a test that freezes it, or counts what it sends."""
    with open_stage(browser) as opened:
        yield opened
