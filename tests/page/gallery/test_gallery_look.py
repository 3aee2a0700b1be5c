"""Every screen of the page, at both sizes, in both languages, by day and by night: what a person in gloves sees."""

from typing import Any

import pytest

from .conftest import CHINESE, ENGLISH, LARGE, LOOK, SCREENS, SMALL, Screen, Stage


def problems(stage: Stage, scale: float) -> list[str]:
    """Return what is wrong with what the page shows now."""
    return [str(found) for found in stage.page.evaluate(LOOK, scale)]


@pytest.mark.parametrize("screen", SCREENS, ids=[screen.name for screen in SCREENS])
def test_a_screen_can_be_read_and_touched(stage: Stage, screen: Screen, keep: Any) -> None:
    """A screen has nothing too small, too close, cut off or in an alarm's colour, at either size, in either tongue."""
    found = {}
    stage.reach(screen)
    keep(stage.page, screen.name)
    found["800 x 480"] = problems(stage, 1)
    stage.page.set_viewport_size(LARGE)
    keep(stage.page, f"{screen.name}-large")
    found["1280 x 800"] = problems(stage, 1.6)
    stage.page.set_viewport_size(SMALL)
    speak(stage, "zh", screen)
    keep(stage.page, f"{screen.name}-zh")
    found["zh"] = problems(stage, 1)
    speak(stage, "en", screen)
    assert {where: what for where, what in found.items() if what} == {}


def speak(stage: Stage, language: str, screen: Screen) -> None:
    """Change the language in the menu, on whatever screen, and stay on that screen."""
    if stage.page.locator("#choices").is_hidden():
        stage.page.locator("#menu").tap()
    stage.tap(f"language_{language}")
    stage.words = ENGLISH if language == "en" else CHINESE
    assert stage.page.locator("#main").get_attribute("data-screen") == screen.screen
    if "#menu" in screen.taps:
        stage.page.locator("#menu").tap()
