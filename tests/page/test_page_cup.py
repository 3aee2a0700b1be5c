"""What a dose asks about cup and mesh, and the doses that go to another unit, on a page before a whole unit."""

import re
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.codes import scans

from .test_page_rules import begin

pytestmark = pytest.mark.timeout(80)
ASKED = ".beside.rests .sentence"


@pytest.mark.req("S54")
def test_a_cup_that_is_off_and_another_mesh_are_asked_about(panel: Any, ward: Any) -> None:
    """Each turns the output off and asks in words; RESUME is held for each, and the record names both."""
    begin(panel, ward)
    ward.device.post("/inject", fault="no_cup")
    panel.upper("resume")
    panel.until(lambda: panel.text(ASKED).startswith("The same cup, with all its liquid?"))
    panel.hold()
    panel.page.wait_for_selector("#notice:visible")
    panel.tap("OK")
    assert ward.state()["state"] == "paused", "the cup is still away"
    ward.device.post("/clear")
    panel.page.wait_for_selector("#notice", state="hidden")
    panel.page.wait_for_timeout(1_500)  # the unit reads its paused device again, and a wet glove's second touch is over
    panel.upper("resume")
    panel.hold()
    panel.upper("pause")
    panel.page.wait_for_timeout(4_000)  # what is known of the mesh is learned while it runs
    ward.device.post("/inject", fault="detune")
    panel.upper("resume")
    panel.until(lambda: panel.text(ASKED).startswith("Was the mesh or the cup exchanged?"))
    assert ward.state()["pause_reason"] == "mesh-changed"
    panel.tap("STOP")
    panel.until(lambda: ward.state()["state"] == "residual")
    ward.device.post("/clear")
    panel.on("residual")  # what is in doubt says that first
    panel.finish()
    dose = ward.records("dose")[-1]
    assert {"cup-changed", "mesh-changed"} <= set(dose["deviations"])
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")


@pytest.mark.req("S50")
def test_doses_are_given_back_by_touch(panel: Any, ward: Any) -> None:
    """Four touches lead to the code for the pharmacy; it is shown again later, and nothing starts any more."""
    kit = ward.morning()
    panel.log_in()
    panel.on("idle")
    panel.tap("Device")
    panel.tap("Give back")
    panel.on("back")
    panel.tap("MEX-001")
    panel.on("back-sure")
    panel.tap("Give back")
    panel.on("back-code")
    code = panel.text(".code")
    assert re.fullmatch(r"[0-9]+-[0-9]+-[0-9]{8}", code)
    panel.tap("Done")
    panel.on("idle")
    panel.tap("Device")
    panel.tap("Give back")
    panel.tap("MEX-001")
    panel.on("back-code")
    assert panel.text(".code") == code
    with pytest.raises(Answer, match="lease-returned"):
        ward.machine.post("/api/scan", operator="RT-07", **scans("MEX-001", f"KIT-{kit}"))
    assert ward.records("order")[-1]["event"] == "lease-returned"
