"""Every screen of the page, at both sizes, in both languages: what a person in gloves at one metre sees."""

import re
from typing import Any

import pytest

from nebctl.core.alarms import Condition, Priority

from .conftest import CHINESE, HERE, LARGE, LOOK, SCREENS, SMALL, Screen, Stage

BY_NAME = {screen.name: screen for screen in SCREENS}
LEGIBLE = (HERE.parent / "legible.js").read_text("utf-8")
PLACE = re.compile(r"\{\w+\}")
LONG = "KIT-0412-LONG"
"""As long as what stands in a sentence's place gets: a kit, a unit, a time."""
BAND = 86
"""Where what must be read begins under an alarm, in px from the header: `page.css`, `.ended` and what goes with it."""


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


@pytest.mark.parametrize("tongue", ["", "-zh"])
def test_every_sentence_of_the_unit_fits(stages: dict[str, Stage], tongue: str) -> None:
    """Each reason for a refusal, its places filled, can be read whole on the small panel, in either language."""
    stage = stages[tongue]
    stage.reach(BY_NAME["scanned"])
    sentences = {key: PLACE.sub(LONG, text) for key, text in stage.words.items() if key.startswith("refused_")}
    assert len(sentences) > 100
    show = """(text) => {
      document.getElementById('notice-text').textContent = text;
      document.getElementById('notice').hidden = false;
    }"""
    found = {}
    for key, text in sentences.items():
        stage.page.evaluate(show, text)
        found[key] = stage.page.evaluate(LEGIBLE)
    stage.tap("understood")
    assert {key: what for key, what in found.items() if what} == {}


@pytest.mark.req("S42")
@pytest.mark.parametrize("tongue", ["", "-zh"])
def test_every_alarm_fits_its_band(stages: dict[str, Stage], tongue: str) -> None:
    """Each alarm's two sentences, among others and made quiet, stand in a band that covers nothing to be read."""
    stage, high = stages[tongue], {}
    paused = BY_NAME["premature-stop"].view
    stage.reach(BY_NAME["premature-stop"])
    for condition in Condition:
        alarm = paused["alarms"][0] | {"condition": condition.value, "priority": Priority.HIGH.value}
        stage.put_on(paused | {"alarms": [alarm, paused["alarms"][0]], "sound": {"priority": None, "quiet_s": 118}})
        band: Any = stage.page.locator("#alarm").bounding_box()
        high[condition.value] = band["height"]
    assert {name: height for name, height in high.items() if height > BAND} == {}
