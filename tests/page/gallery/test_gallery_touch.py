"""What touches do on every screen: STOP is one touch anywhere, START and STOP never move, taps are one command."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import CHINESE, ENGLISH, LOOK, SCREENS, Stage, open_stage

BY_NAME = {screen.name: screen for screen in SCREENS}
FREEZE = "(ms) => { const until = Date.now() + ms; while (Date.now() < until); }"


@pytest.fixture
def clocked(browser: Any) -> Iterator[Stage]:
    """Give a page whose time the test lets jump."""
    with open_stage(browser, clock=True) as opened:
        yield opened


@pytest.mark.req("S21")
@pytest.mark.req("S45")
def test_stop_is_one_touch_on_every_screen(clocked: Stage) -> None:
    """On every screen, logged out, under the menu and an alarm, STOP is sent by one touch, and nothing ever moved."""
    places, sent = set(), {}
    for screen in SCREENS:
        clocked.reach(screen)
        places.add(str([clocked.page.locator(f"#{name}").bounding_box() for name in ("stop", "upper", "menu")]))
        clocked.page.clock.fast_forward(1_001)
        clocked.put_on(screen.view)
        clocked.posts.clear()
        clocked.page.touchscreen.tap(*clocked.middle("#stop"))
        sent[screen.name] = clocked.sent()
    assert {name: names for name, names in sent.items() if names != ["stop"]} == {}
    assert len(places) == 1


@pytest.mark.req("S21")
@pytest.mark.req("S46")
def test_stop_under_a_sentence_and_without_a_link(fresh: Stage, keep: Any) -> None:
    """A sentence that waits to be read and the cover of a lost link leave STOP, alone, within reach."""
    fresh.reach(BY_NAME["scanned"])
    fresh.answer = (
        409,
        {"code": "kit-other-subject", "sentence": "This kit belongs to another subject. Take the kit for MEX-007."},
    )
    fresh.tap("scan_check")
    fresh.page.wait_for_selector("#notice:visible")
    keep(fresh.page, "refused")
    assert fresh.sent() == ["scan"]
    fresh.answer = (200, {})
    fresh.page.touchscreen.tap(*fresh.middle("#stop"))
    assert fresh.sent() == ["stop"]
    fresh.put_on(BY_NAME["running"].view)
    fresh.put_on(None)
    fresh.page.wait_for_selector("#cover:visible", timeout=2_000)
    assert fresh.page.locator("#cover-text").inner_text() == ENGLISH["no_link"]
    keep(fresh.page, "no-link")
    assert fresh.page.evaluate("document.elementFromPoint(200, 200).closest('section').id") == "cover"
    assert fresh.page.locator("#upper").get_attribute("data-mode") == "none"
    fresh.page.touchscreen.tap(*fresh.middle("#stop"))
    assert fresh.sent() == ["stop"]
    fresh.tap("#menu")
    fresh.tap("language_zh")
    assert fresh.page.locator("#cover-text").inner_text() == CHINESE["no_link"]
    fresh.put_on(BY_NAME["running"].view)
    fresh.page.wait_for_selector("#cover", state="hidden")


@pytest.mark.req("S45")
@pytest.mark.parametrize(
    ("name", "place", "sent"),
    [("review", "#upper", []), ("running", "#upper", ["pause"]), ("running", "#stop", ["stop"])],
)
def test_twenty_taps_are_one_command(clocked: Stage, name: str, place: str, sent: list[str]) -> None:
    """Twenty taps at one moment on START start nothing; on PAUSE and on STOP they are one command each.

    The page's clock stands still meanwhile: however slow the machine, they come within a second.
    """
    clocked.reach(BY_NAME[name])
    clocked.page.wait_for_selector("#upper:enabled")
    now_s = clocked.page.evaluate("Date.now()") / 1000
    clocked.page.clock.pause_at(datetime.fromtimestamp(now_s + 0.5, UTC))
    clocked.put_on(BY_NAME[name].view)
    clocked.answer = (200, BY_NAME["paused"].view if sent == ["pause"] else {})
    x, y = clocked.middle(place)
    for _ in range(20):
        clocked.page.touchscreen.tap(x, y)
    assert clocked.sent(len(sent)) == sent


@pytest.mark.req("S45")
def test_a_second_touch_does_not_act_on_what_came_up(clocked: Stage) -> None:
    """Where "Cannot be measured" comes up under the finger, a wet glove's second touch does not record it.

    A touch of later, at the same place, does. Made quiet by two touches, an alarm is not seen by the second.
    """
    residual = BY_NAME["residual-uncertain"]
    clocked.reach(residual)
    place = clocked.page.locator("button:visible", has_text=ENGLISH["residual_refused"]).bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    clocked.reach(BY_NAME["lost"])
    now_s = clocked.page.evaluate("Date.now()") / 1000
    clocked.page.clock.pause_at(datetime.fromtimestamp(now_s + 0.5, UTC))
    clocked.answer = (200, residual.view)
    clocked.posts.clear()
    clocked.page.touchscreen.tap(x, y)
    clocked.page.wait_for_selector('#main[data-screen="residual"]', state="attached")
    clocked.page.touchscreen.tap(x, y)
    assert clocked.sent(1) == ["abandon"]
    clocked.page.clock.fast_forward(500)
    clocked.page.touchscreen.tap(x, y)
    assert clocked.sent() == ["residual"]
    alarm = BY_NAME["alarm-high"].view
    clocked.put_on(alarm)
    clocked.answer = (200, alarm | {"sound": {"priority": None, "quiet_s": 120}})
    x, y = clocked.middle("#alarm .sound")
    for _ in range(2):
        clocked.page.touchscreen.tap(x, y)
        clocked.page.wait_for_selector("#alarm .left", state="attached")
        assert [name for name, _ in clocked.posts] == ["quiet"]


@pytest.mark.req("S44")
@pytest.mark.req("S45")
def test_a_frozen_page_takes_no_tap_for_a_hold(fresh: Stage) -> None:
    """A page that froze for 2 s under twenty taps on START sends nothing when it wakes; a hold then starts once."""
    fresh.reach(BY_NAME["review"])
    fresh.page.wait_for_selector("#upper:enabled")
    x, y = fresh.middle("#upper")
    fresh.page.evaluate(f"setTimeout({FREEZE}, 0, 2000)")
    for _ in range(20):
        fresh.page.touchscreen.tap(x, y)
    fresh.page.wait_for_timeout(300)
    assert fresh.sent(0) == []
    fresh.put_on(BY_NAME["review"].view)
    fresh.page.wait_for_selector("#upper:enabled")
    fresh.page.mouse.move(x, y)
    fresh.page.mouse.down()
    fresh.page.wait_for_selector("#upper.holding")
    fresh.page.wait_for_selector("#upper:not(.holding)")
    fresh.page.wait_for_timeout(900)
    fresh.page.mouse.up()
    assert fresh.posts == [("start", {"auth": BY_NAME["review"].view["review"]["auth"]})]


@pytest.mark.req("S54")
@pytest.mark.parametrize("residual", ["drawn", "refused"])
def test_liquid_that_was_added_goes_with_the_residual(fresh: Stage, residual: str) -> None:
    """What a person says was added stands on the screen and is sent with the residual, measured or refused."""
    fresh.reach(BY_NAME["measure-added"])
    fresh.page.locator("#main input").first.fill("0.4")
    fresh.tap("take")
    fresh.page.wait_for_selector('#main[data-screen="residual"]')
    assert ENGLISH["residual_added_sum"].format(low="0.35", high="0.45") in fresh.page.locator("#main").inner_text()
    assert fresh.page.locator("button:visible").filter(has_text=ENGLISH["residual_added"]).count() == 0
    assert fresh.page.evaluate(LOOK, 1) == []
    fresh.posts.clear()
    fresh.tap(f"residual_{residual}")
    if residual == "drawn":
        fresh.page.locator("#main input").first.fill("0.1")
        fresh.tap("take")
    fresh.page.wait_for_timeout(300)
    ((name, body),) = fresh.posts
    assert (name, body["added"]["volume"]) == ("residual", "0.400000 mL")
    assert ("measured" in body) is (residual == "drawn")


@pytest.mark.req("S54")
def test_nothing_that_was_added_is_nothing(fresh: Stage) -> None:
    """0 mL added leads back to the residual as if nobody had said so, and the dose is not made uncertain by it."""
    fresh.reach(BY_NAME["measure-added"])
    fresh.page.locator("#main input").first.fill("0")
    fresh.tap("take")
    fresh.page.wait_for_selector('#main[data-screen="residual"]')
    assert fresh.page.locator("button:visible").filter(has_text=ENGLISH["residual_added"]).count() == 1
    fresh.posts.clear()
    fresh.tap("residual_refused")
    fresh.page.wait_for_timeout(300)
    ((name, body),) = fresh.posts
    assert (name, body.get("added")) == ("residual", None)


@pytest.mark.req("S44")
def test_a_page_that_slept_shows_nothing_of_the_session_before(fresh: Stage) -> None:
    """Another session in place of the page's own, with no idle between: its outcome stands there, no number of before.

    A cup that was typed, and a form that was begun, were of the session before, and are gone with it.
    """

    def later(view: dict[str, Any], **changed: Any) -> dict[str, Any]:
        return view | {"review": view["review"] | {"session": "2026-02-16-fedcba", "subject": "MEX-008"}, **changed}

    complete, uncertain = BY_NAME["complete"].view, BY_NAME["uncertain"].view
    fresh.reach(BY_NAME["complete"])
    fresh.put_on(later(complete, outcome=uncertain["outcome"]))
    assert fresh.page.locator("#main h1").inner_text() == ENGLISH["outcome_uncertain"]
    assert ENGLISH["verdict_WITHIN"] not in fresh.page.locator("#main").inner_text()
    for name, screen in (("cup-typed", "cup"), ("chart-vitals", "selftest")):
        fresh.reach(BY_NAME[name])
        assert fresh.page.locator("#main").get_attribute("data-screen") != screen
        fresh.put_on(later(BY_NAME[name].view))
        assert fresh.page.locator("#main").get_attribute("data-screen") == screen


def test_an_overtaken_view_is_not_shown(fresh: Stage) -> None:
    """A view on the stream that is older than the answer to Back must not bring the scan screen again, for good."""
    scanned, idle = BY_NAME["scanned"].view, BY_NAME["idle"].view
    main = fresh.page.locator("#main")
    fresh.reach(BY_NAME["scanned"])
    fresh.put_on(idle | {"made_us": 2})
    fresh.tap("back")
    assert main.get_attribute("data-screen") == "idle"
    fresh.put_on(scanned | {"made_us": 1})
    assert main.get_attribute("data-screen") == "idle"
    fresh.put_on(scanned | {"made_us": 3})
    assert main.get_attribute("data-screen") == "scan"
