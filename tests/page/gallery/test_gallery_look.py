"""Every screen of the page, at both sizes, in both languages: what a person in gloves at one metre sees."""

from typing import Any

import pytest

from .conftest import CHINESE, LARGE, LOOK, SCREENS, SMALL, Screen, Stage

BY_NAME = {screen.name: screen for screen in SCREENS}


@pytest.mark.req("S42")
@pytest.mark.req("S48")
@pytest.mark.parametrize("screen", SCREENS, ids=[screen.name for screen in SCREENS])
def test_a_screen_can_be_read_and_touched(stages: dict[str, Stage], screen: Screen, keep: Any) -> None:
    """A screen has nothing too small, too close, cut off, covered or in an alarm's colour, at each size and tongue.

    A simulator says on each that it is one.
    """
    found = {}
    for name, stage in stages.items():
        stage.reach(screen)
        keep(stage.page, f"{screen.name}{name}")
        wide = LARGE["width"] if name == "-large" else SMALL["width"]
        found[name] = [str(one) for one in stage.page.evaluate(LOOK, wide / SMALL["width"])]
        assert stage.page.locator("#simulator").inner_text() == stage.words["simulator"]
    assert {name: what for name, what in found.items() if what} == {}


def test_the_language_changes_on_any_screen(fresh: Stage) -> None:
    """Two touches change the language, logged out, while a dose runs and in mid-typing; what was typed stays."""
    for name in ("locked", "running", "alarm-high"):
        fresh.reach(BY_NAME[name])
        screen = fresh.page.locator("#main").get_attribute("data-screen")
        for language in ("zh", "en"):
            fresh.tap("#menu")
            fresh.tap(f"language_{language}")
            assert fresh.page.locator("html").get_attribute("lang") == {"zh": "zh-Hans", "en": "en"}[language]
            assert fresh.page.locator("#main").get_attribute("data-screen") == screen
    fresh.reach(BY_NAME["telling"])
    fresh.page.locator("#main input").first.fill("the cup leaked")
    fresh.tap("#menu")
    fresh.tap("language_zh")
    assert fresh.page.locator("#main h1").inner_text() == CHINESE["why_other_title"]
    assert fresh.page.locator("#main input").first.input_value() == "the cup leaked"


def test_the_theme_changes_and_stays(fresh: Stage) -> None:
    """Night is how the page begins; day is two touches away, and is kept when the page is loaded anew."""
    theme = fresh.page.locator("html")
    assert theme.get_attribute("data-theme") == "night"
    fresh.tap("#menu")
    fresh.tap("theme_day")
    assert theme.get_attribute("data-theme") == "day"
    fresh.page.reload()
    fresh.page.wait_for_selector('html[data-theme="day"]')
