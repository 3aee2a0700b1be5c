"""What is charted at the page lies in the unit's log with its values: before a dose, and an adverse event."""

from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.codes import band

pytestmark = pytest.mark.timeout(80)

BEFORE = {
    "heart_rate_bpm": 92,
    "resp_rate_per_min": 22,
    "spo2_percent": 94,
    "breath_sounds": "wheeze",
    "position": "semi-recumbent",
    "interface": "mask",
}
EVENT = {
    "subject": "MEX-001",
    "onset": "2026-02-14",
    "grade": "2",
    "relation": "possible",
    "action": "none",
    "text": "cough for two minutes",
}


def test_what_is_charted_before_a_dose_is_recorded(panel: Any, ward: Any) -> None:
    """Numbers typed by the keys, words chosen by a touch: read back, recorded once, and the review comes again."""
    kit = ward.morning()
    panel.log_in()
    panel.prepare(kit)
    panel.tap("Chart before")
    for screen, name in (("chart-vitals", "heart_rate_bpm"), ("", "resp_rate_per_min"), ("", "spo2_percent")):
        if screen:
            panel.on(screen)
        panel.box(name)
        panel.keys(str(BEFORE[name]))
    panel.tap("Next")
    for screen, words in (
        ("chart-breath_sounds", "Wheeze"),
        ("chart-position", "Semi-recumbent"),
        ("chart-interface", "Mask"),
    ):
        panel.on(screen)
        panel.tap(words)
    panel.on("chart-summary")
    shown = panel.page.locator("#main dd").all_text_contents()
    assert shown == ["92 /min", "22 /min", "94 %", "Wheeze", "Semi-recumbent", "Mask"]
    assert ward.records("chart") == []
    panel.tap("Record it")
    panel.on("review")
    [chart] = ward.records("chart")
    assert {name: chart[name] for name in BEFORE} == BEFORE
    assert (chart["moment"], chart["operator"]) == ("pre", "RT-07")
    assert chart["session"] == ward.state()["review"]["session"]
    assert panel.faults == []


def test_an_adverse_event_is_recorded(panel: Any, ward: Any) -> None:
    """The wristband is scanned by the unit, each question answered by a touch, and the event lies in the log.

    One from before Day 1 is refused: it is no event of this treatment, or a slip.
    """
    ward.morning()
    panel.log_in()
    panel.tap("Menu")
    panel.page.locator("#choices button", has_text="Adverse event").tap()
    panel.on("adverse-subject")
    ward.scan(band("MEX-001"))
    for screen, words in (
        ("adverse-onset", "Today"),
        ("adverse-grade", "2, moderate"),
        ("adverse-relation", "Possible"),
        ("adverse-action", "Nothing"),
    ):
        panel.on(screen)
        panel.tap(words)
    panel.on("adverse-text")
    panel.page.keyboard.type(EVENT["text"])
    panel.tap("Next")
    panel.on("adverse-summary")
    assert ward.records("adverse") == []
    panel.tap("Record the event")
    panel.on("idle")
    [event] = ward.records("adverse")
    assert {name: event[name] for name in EVENT} == EVENT
    assert event["operator"] == "RT-07"
    assert ward.state()["scanned"]["band"] is None
    with pytest.raises(Answer, match="adverse-early: Day 1 of MEX-001 is 2026-02-14"):
        ward.machine.post("/api/adverse", operator="RT-07", **EVENT | {"onset": "2026-02-13"})
    assert ward.records("adverse") == [event]
    assert panel.faults == []
