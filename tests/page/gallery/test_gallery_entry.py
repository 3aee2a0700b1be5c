"""What stands between a slip of the finger and the unit: half a number, a badge that is refused, a dose that ends."""

from dataclasses import replace
from typing import Any

import pytest

from .conftest import ENGLISH, LARGE, LOOK, SCREENS, SMALL, Stage

BY_NAME = {screen.name: screen for screen in SCREENS}
REFUSED = {"code": "operator-unknown", "sentence": "Badge RT-99 is not on the list of operators. Call the pharmacy."}
NEXT = "#main .bottom .choice:first-child"


def shows(stage: Stage) -> str:
    """Return the name of the screen that is shown."""
    return str(stage.page.locator("#main").get_attribute("data-screen"))


@pytest.mark.parametrize("name", ["locked", "typed", "second", "cup-typed", "extra-second", "sign", "adverse-subject"])
def test_what_every_code_begins_with_is_no_code(fresh: Stage, name: str) -> None:
    """The letters that stand in a box before anything was typed lead nowhere; a digit more leads to the next step."""
    fresh.reach(BY_NAME[name])
    screen, box = shows(fresh), fresh.page.locator("#main input").first
    assert fresh.page.locator(NEXT).is_disabled()
    box.press("Enter")
    assert (shows(fresh), box.is_visible()) == (screen, True)
    fresh.page.locator(".keys button", has_text="7").first.tap()
    assert fresh.page.locator(NEXT).is_enabled()
    fresh.page.locator(".keys button", has_text=ENGLISH["delete"]).tap()
    assert fresh.page.locator(NEXT).is_disabled()


@pytest.mark.req("S49")
def test_a_cup_that_is_scanned_takes_the_place_of_one_that_was_typed(fresh: Stage) -> None:
    """Whose code is read after all is the cup of the charge, and the number that was typed is not sent."""
    screen = BY_NAME["cup-typed"]
    fresh.reach(screen)
    fresh.page.locator("#main input").fill("CUP-2")
    fresh.tap("cup_next")
    title = fresh.page.locator("#main h1")
    assert title.inner_text() == ENGLISH["charge_title"].format(cup="CUP-2")
    fresh.put_on(screen.view | {"scanned": screen.view["scanned"] | {"count": 5, "cup": "CUP-1"}})
    assert title.inner_text() == ENGLISH["charge_title"].format(cup="CUP-1")
    fresh.posts.clear()
    fresh.tap("charge_declared")
    fresh.page.wait_for_timeout(300)
    ((name, body),) = fresh.posts
    assert (name, "cup" in body, "cup_typed" in body) == ("charge", False, False)


def test_a_badge_that_is_refused_is_typed_from_its_beginning(fresh: Stage) -> None:
    """After the sentence the box holds what badges begin with, so that two more digits make no longer number."""
    fresh.reach(BY_NAME["pin"])
    fresh.answer = (409, REFUSED)
    fresh.tap("login")
    fresh.page.wait_for_selector("#notice:visible")
    fresh.tap("understood")
    assert fresh.page.locator('#main input[name="operator"]').input_value() == "RT-"


@pytest.mark.parametrize(("ended", "sentence"), [("residual-dry", "dry"), ("why", "stopped")])
def test_a_dose_that_ends_under_a_form_is_seen(fresh: Stage, ended: str, sentence: str) -> None:
    """What belongs to the middle of a dose goes with its end, and the end is on the screen, also after STOP.

    An adverse event is kept as it was typed, under a sentence that says that the nebulizer is off.
    """
    after = BY_NAME[ended].view
    fresh.reach(BY_NAME["chart-tolerance"])
    fresh.put_on(after)
    assert shows(fresh) == BY_NAME[ended].screen
    assert fresh.page.locator("#notice").is_hidden()
    fresh.reach(BY_NAME["adverse-ago"])
    fresh.page.locator("#main input").fill("3")
    fresh.put_on(after)
    assert fresh.page.locator("#notice-text").inner_text() == ENGLISH[f"ended_{sentence}_text"]
    fresh.tap("understood")
    assert (shows(fresh), fresh.page.locator("#main input").input_value()) == ("adverse-ago", "3")


@pytest.mark.req("S55")
def test_who_answers_for_a_dose_is_read_under_an_alarm(stages: dict[str, Stage]) -> None:
    """The band of an alarm covers no word of the question whether to take a dose over, at each size and tongue."""
    for stage in stages.values():
        stage.reach(BY_NAME["takeover-alarm"])
        band: Any = stage.page.locator("#alarm").bounding_box()
        title: Any = stage.page.locator("#main h1").bounding_box()
        assert title["y"] >= band["y"] + band["height"]


@pytest.mark.req("S05")
def test_one_person_lets_one_limit_pass(fresh: Stage) -> None:
    """A second soft limit behind the one that was confirmed is a sentence, and no second question without an end."""
    screen = BY_NAME["limit-confirm"]
    fresh.reach(screen)
    fresh.put_on(screen.view | {"soft": ["outside-window", "too-soon"]})
    fresh.answer = (409, {"code": "too-soon", "sentence": "The last dose began too recently. Wait 2 h 5 min."})
    fresh.tap("limit_take")
    fresh.page.wait_for_selector("#notice:visible")
    assert fresh.page.locator("#notice-text").inner_text() == "The last dose began too recently. Wait 2 h 5 min."
    fresh.tap("understood")
    assert not shows(fresh).startswith("limit")


@pytest.mark.req("S02")
def test_one_person_answers_for_a_run_that_no_record_names(stages: dict[str, Stage]) -> None:
    """The refusal leads to the question why, everything is read back and legible, and the answer goes with the scan."""
    said = "Nebulizer SIM-0001 remembers run 0badcafe; this unit's log does not. "
    answer = (409, {"code": "run-unknown", "sentence": f"{said}Call the pharmacy first."})
    for name, stage in stages.items():
        wide = (LARGE if name == "-large" else SMALL)["width"] / SMALL["width"]
        stage.reach(replace(BY_NAME["limit"], answer=answer))
        assert "0badcafe" in stage.page.locator("#main .sentence").inner_text()
        assert stage.page.evaluate(LOOK, wide) == []
        stage.tap("run_elsewhere")
        assert shows(stage) == "limit-confirm"
        assert stage.page.evaluate(LOOK, wide) == []
        stage.posts.clear()
        stage.answer = (200, {})
        stage.tap("limit_take")
        stage.page.wait_for_function("() => document.getElementById('main').dataset.screen !== 'limit-confirm'")
        ((command, body),) = stage.posts
        assert (command, body["confirmed"]) == (
            "scan",
            {"limit": "run-unknown", "reason": stage.words["run_elsewhere"]},
        )


@pytest.mark.parametrize("days", ["", "0"])
def test_an_adverse_event_that_began_earlier_has_its_day(fresh: Stage, days: str) -> None:
    """Without a number of days, or with none of them, nothing goes on; it would be recorded as of today."""
    fresh.reach(BY_NAME["adverse-ago"])
    box = fresh.page.locator("#main input")
    box.fill(days)
    assert fresh.page.locator(NEXT).is_disabled()
    box.press("Enter")
    assert shows(fresh) == "adverse-ago"
    box.fill("4")
    fresh.page.locator(NEXT).tap()
    assert shows(fresh) == "adverse-grade"


def test_what_an_alarm_came_from_is_read_first(fresh: Stage) -> None:
    """A cup that is off stops the nebulizer: of the two alarms the band shows the one that says what to do."""
    fresh.reach(BY_NAME["cup-off"])
    assert ENGLISH["wrong_cup-off"] in fresh.page.locator("#alarm").inner_text()


@pytest.mark.req("S12")
def test_nobody_vouches_for_whose_codes_were_read(fresh: Stage) -> None:
    """Once wristband and study card are read after all, the question why not is gone, and no touch brings it back."""
    screen = BY_NAME["vouch"]
    fresh.reach(screen)
    fresh.put_on(screen.view | {"scanned": BY_NAME["scanned"].view["scanned"]})
    assert shows(fresh) == "scan"
    assert fresh.page.locator("button:visible", has_text=ENGLISH["vouch_go"]).count() == 0
