"""One whole dose through the page: what a therapist sees and touches, against real processes on a scaled clock."""

from typing import Any

import pytest

from nebctl_lab.codes import cup_code, scans
from nebctl_lab.people import PIN

from .conftest import LOOK

pytestmark = pytest.mark.timeout(80)

FAST = 60
"""Simulated seconds in a real one while nothing is pressed."""


@pytest.mark.req("S21")
@pytest.mark.req("S42")
@pytest.mark.req("S48")
@pytest.mark.req("S49")
def test_a_whole_dose_by_touch_alone(panel: Any, ward: Any) -> None:
    """A dose goes from a locked page to a signature by taps and holds alone.

    On every screen STOP stands in the same place, the simulator is named, nothing but an alarm is red, yellow or cyan,
    every button is large enough for a glove, and nothing is smaller than 20 px or cut off.
    """
    stop = panel.page.locator("#stop").bounding_box()
    places = []

    def seen(name: str) -> None:
        places.append(panel.page.locator("#stop").bounding_box())
        assert panel.text("#simulator") == "SIMULATOR"
        assert panel.page.evaluate(LOOK, 1) == [], name

    seen("locked")
    panel.log_in()
    panel.on("idle")
    panel.page.wait_for_selector(".due li")
    seen("idle")
    fill_and_review(panel, ward, seen)
    panel.upper("start")
    panel.hold()
    run_to_the_end(panel, ward, seen)
    measure_and_sign(panel, ward, seen)
    panel.on("idle")
    seen("given")
    assert [place for place in places if place != stop] == []
    assert panel.faults == []
    [dose] = ward.records("dose")
    assert (dose["end"], dose["verdict"], dose["kit"]) == ("complete", "WITHIN", "KIT-0401")
    assert dose["sim"] is True
    [charge], [start] = ward.records("charge"), ward.records("start")
    assert charge["seq"] < start["seq"]
    assert (charge["low_nl"], charge["best_nl"], charge["high_nl"]) == (2_980_000, 3_000_000, 3_020_000)
    assert (charge["cup"], charge["vial_emptied"], charge["method"]) == ("CUP-1", True, "weighed")
    [signature] = ward.records("signature")
    assert (signature["meaning"], signature["ref_seq"]) == ("I gave this dose and observed the subject.", dose["seq"])


def fill_and_review(panel: Any, ward: Any, seen: Any) -> None:
    """Scan, charge by weight, pass the self-test and read the review."""
    ward.device.post("/fill", nl=3_000_000)
    ward.scan(*scans("MEX-001", "KIT-0401").values())
    panel.on("scan")
    seen("scan")
    panel.tap("Check")
    panel.on("cup")
    ward.scan(cup_code())
    panel.on("charge")
    seen("charge")
    panel.tap("Whole vial emptied, cup")
    panel.on("weigh")
    panel.keys("3.00")
    seen("weigh")
    panel.tap("Take this")
    panel.on("selftest")
    seen("selftest")
    panel.tap("Review the dose")
    panel.on("review")
    read_back = panel.text(".readback").replace("\u00a0", " ").strip()
    assert read_back == "MEX-001, Day 1 of 5, kit KIT-0401: 3 mL, 200 million vesicles"
    seen("review")


def run_to_the_end(panel: Any, ward: Any, seen: Any) -> None:
    """Watch the dose, pause it and go on, until the cup has run dry."""
    panel.on("running")
    panel.upper("pause")
    ward.run_at(FAST)
    panel.until(lambda: float(panel.text("#emitted")) > 1.2)
    ward.run_at(1)
    panel.page.wait_for_timeout(300)
    seen("running")
    panel.tap("PAUSE")
    panel.upper("resume")
    seen("paused")
    panel.hold()
    panel.upper("pause")
    ward.run_at(FAST)
    panel.page.wait_for_selector('#main[data-screen="residual"]', timeout=30_000)
    ward.run_at(1)
    seen("residual")


def measure_and_sign(panel: Any, ward: Any, seen: Any) -> None:
    """Draw the residual, read the outcome and sign it with the badge."""
    drawn_ml = int(ward.device.post("/empty")["drawn_nl"]) / 1e6
    panel.tap("Draw it up")
    panel.on("measure")
    panel.keys(f"{drawn_ml:.2f}")
    panel.tap("Take this")
    panel.on("outcome")
    seen("outcome")
    panel.tap("Sign the record")
    panel.on("sign")
    assert panel.page.locator('input[name="operator"]').input_value() == "RT-"
    panel.box("operator")
    panel.keys("07")
    panel.tap("Next")
    panel.keys(PIN)
    seen("sign")
    panel.tap("Sign")
