"""What the page must keep, whatever is done to it: taps, holds, tampering, a silent unit, alarms, nobody logged in."""

import os
import re
import signal
import time
from typing import Any

import pytest

from nebctl_lab.codes import scans
from nebctl_lab.people import PIN

from .gallery.conftest import VIEWS

pytestmark = pytest.mark.timeout(80)

ALARM_PERIOD = """() => {
  const style = getComputedStyle(document.querySelector('#alarm .mark'));
  return [style.animationName, style.animationDuration, style.animationIterationCount];
}"""


BORDER = """(priority) => {
  const alarm = document.querySelector('#alarm');
  alarm.dataset.priority = priority;
  return [getComputedStyle(alarm).borderTopColor, getComputedStyle(alarm.querySelector('.mark')).animationName];
}"""


def begin(panel: Any, ward: Any) -> None:
    """Log in, prepare the dose of a new day and hold START until it runs."""
    kit = ward.morning()
    panel.log_in()
    panel.prepare(kit)
    panel.upper("start")
    panel.hold()
    panel.on("running")
    panel.upper("pause")


@pytest.mark.req("S44")
@pytest.mark.req("S45")
def test_taps_start_nothing_and_press_once(panel: Any, ward: Any) -> None:
    """Twenty taps and a short hold start nothing, a hold starts once, and twenty taps on PAUSE pause once."""
    kit = ward.morning()
    panel.log_in()
    panel.prepare(kit)
    panel.upper("start")
    x, y = panel.middle("#upper")
    for _ in range(20):
        panel.page.touchscreen.tap(x, y)
    panel.hold(600)
    panel.page.wait_for_timeout(400)
    assert "POST api/start" not in panel.asked
    assert ward.state()["state"] == "ready"
    panel.hold()
    panel.upper("pause")
    for _ in range(20):
        panel.page.touchscreen.tap(x, y)
    panel.upper("resume")
    panel.tap("STOP")
    panel.explain()
    panel.finish()
    assert [panel.asked.count(f"POST api/{name}") for name in ("start", "pause", "resume", "stop")] == [1, 1, 0, 1]
    assert [len(ward.records(typ)) for typ in ("start", "pause", "resume")] == [1, 1, 0]


@pytest.mark.req("S21")
@pytest.mark.req("S44")
def test_a_tampered_page_and_a_stop_without_a_badge(panel: Any, ward: Any) -> None:
    """What a script writes on the review changes nothing that is recorded; STOP works with nobody logged in."""
    kit = ward.morning()
    panel.log_in()
    panel.prepare(kit)
    panel.page.evaluate(
        "for (const node of document.querySelectorAll('#main *')) if (!node.children.length)"
        " node.textContent = 'MEX-999, kit KIT-0999: 30 mL'"
    )
    panel.page.focus("#upper")
    panel.page.keyboard.down(" ")
    panel.upper("pause")
    panel.page.keyboard.up(" ")
    start = ward.records("start")[-1]
    assert (start["kit"], start["planned_nl"]) == (f"KIT-{kit}", 3_000_000)
    stop = panel.page.locator("#stop").bounding_box()
    assert (panel.asked.count("POST api/start"), panel.asked.count("POST api/pause")) == (1, 0)
    panel.page.context.clear_cookies()
    panel.page.reload()
    panel.on("login")
    assert "MEX" not in panel.page.content()
    assert panel.page.locator("#stop").bounding_box() == stop
    panel.tap("STOP")
    panel.until(lambda: ward.state()["state"] == "residual")
    panel.log_in()
    panel.explain()
    assert panel.text(".word") == "STOPPED"
    panel.finish()


@pytest.mark.req("S42")
def test_alarms_show_over_everything_but_stop(browser: Any, panel: Any, ward: Any) -> None:
    """A medium alarm flashes slowly, a high one fast, also where less motion is asked for; STOP stays in reach."""
    panel.page.emulate_media(reduced_motion="reduce")
    begin(panel, ward)
    ward.device.post("/inject", fault="no_cup")
    panel.page.wait_for_selector('#alarm[data-priority="medium"]')
    panel.upper("resume")
    assert panel.page.evaluate(ALARM_PERIOD) == ["flash", "1.6s", "infinite"]
    ward.device.post("/clear")
    panel.hold()
    panel.upper("pause")
    ward.device.post("/inject", fault="unplug")
    panel.page.wait_for_selector('#alarm[data-priority="high"]')
    panel.on("lost")
    assert panel.page.evaluate(ALARM_PERIOD) == ["flash", "0.5s", "infinite"]
    shown = [panel.page.evaluate(BORDER, priority) for priority in ("high", "medium", "low")]
    assert shown == [["rgb(229, 32, 42)", "flash"], ["rgb(242, 210, 27)", "flash"], ["rgb(25, 211, 230)", "none"]]
    top = "(([x, y]) => document.elementFromPoint(x, y).closest('button')?.id)"
    assert panel.page.evaluate(top, list(panel.middle("#stop"))) == "stop"
    panel.tap("I switched it off")
    panel.on("residual")
    ward.device.post("/clear")
    panel.tap("Cannot be measured")
    panel.on("outcome")
    assert panel.text(".word") == "UNCERTAIN"
    panel.tap("Sign later")


@pytest.mark.req("S46")
def test_a_silent_unit_covers_the_page(panel: Any, ward: Any) -> None:
    """A page that heard nothing for a second covers everything but STOP, and shows itself again with the next word."""
    panel.log_in()
    stop = panel.page.locator("#stop").bounding_box()
    os.kill(ward.unit.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        panel.page.wait_for_selector("#cover", state="visible", timeout=3_000)
        assert time.monotonic() - began < 1.6
        assert panel.text("#cover-text") == "No link: state unknown. Use the device's own switch."
        under = "(([x, y]) => document.elementFromPoint(x, y).closest('#cover, button').id)"
        assert panel.page.evaluate(under, [300, 240]) == "cover"
        assert panel.page.evaluate(under, [300, 20]) == "cover"
        assert panel.page.evaluate(under, list(panel.middle("#stop"))) == "stop"
        assert panel.page.locator("#stop").bounding_box() == stop
    finally:
        os.kill(ward.unit.pid, signal.SIGCONT)
    panel.page.wait_for_selector("#cover", state="hidden")


def test_the_stage_shows_what_a_unit_shows(ward: Any) -> None:
    """The views on which every screen is looked at have the members of a real unit's view, no more and no fewer."""
    assert set(VIEWS["base"]) | {"made_us"} == set(ward.state()) | {"operator"}  # the stage has no clock
    assert set(VIEWS["base"]["charted"]) == set(ward.state()["charted"])


def test_no_code_but_the_page_s_own_runs(panel: Any) -> None:
    """A script or a style that somebody slips into the page is not run."""
    blocked = panel.page.evaluate(
        """async () => {
          const seen = [];
          document.addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.slipped = true';
          const link = document.createElement('b');
          link.setAttribute('style', 'color: red');
          const image = new Image();
          image.src = 'http://127.0.0.1:9/elsewhere.png';
          document.body.append(script, link);
          await new Promise((done) => setTimeout(done, 200));
          return [window.slipped ?? null, seen.sort()];
        }"""
    )
    assert blocked == [None, ["img-src", "script-src-elem", "style-src-attr"]]


def test_the_wrong_badge_and_the_wrong_kit_say_what_to_do(panel: Any, ward: Any) -> None:
    """An unknown badge and another day's kit each give a sentence with STOP in reach, and start nothing."""
    ward.morning()
    panel.box("operator")
    panel.keys("99")
    panel.tap("Next")
    panel.keys(PIN)
    panel.tap("Log in")
    panel.page.wait_for_selector("#notice:visible")
    assert panel.text("#notice-text") == "Badge RT-99 is not on the list of operators. Call the pharmacy."
    panel.tap("OK")
    panel.box("operator")
    panel.page.wait_for_timeout(50)
    panel.page.keyboard.type(f"RT-07\n{PIN}\n")
    panel.on("idle")
    ward.scan(*scans("MEX-001", "KIT-0405").values())
    panel.tap("Check")
    panel.page.wait_for_selector("#notice:visible")
    top = "(([x, y]) => document.elementFromPoint(x, y).closest('button')?.id)"
    assert panel.page.evaluate(top, list(panel.middle("#stop"))) == "stop"
    assert "KIT-0405 is for Day 5" in panel.text("#notice-text")
    assert ward.state()["state"] == "idle"


@pytest.mark.req("S27")
def test_a_silent_device_has_no_number(panel: Any, ward: Any) -> None:
    """When the device says nothing for 2 s the page shows no number and says so; after 5 s the dose is stopped."""
    begin(panel, ward)
    panel.until(lambda: panel.text("#emitted") != "–")
    ward.device.post("/inject", fault="drop_reply", command="STAT", count="all")
    panel.until(lambda: panel.text("#emitted") == "–")
    assert panel.text(".beside.rests h1") == "No reading"
    assert re.findall(r"\d", panel.text(".running .dose .interval") + panel.text(".beside.rests h1")) == []
    assert ward.state()["emitted"] is None
    panel.until(lambda: "telemetry-lost" in {alarm["condition"] for alarm in ward.state()["alarms"]})
    assert ward.state()["state"] != "running"
    ward.device.post("/clear")
    panel.until(lambda: ward.device.get("/state")["output"] == "OFF")
