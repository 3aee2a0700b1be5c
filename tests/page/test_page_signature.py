"""Who answers for what at the page: a signature says what it will say, and one session is everybody's."""

from typing import Any

import pytest

from nebctl_lab.codes import scans
from nebctl_lab.demo.site import THERAPIST
from nebctl_lab.people import PIN

from .test_page_rules import begin
from .test_page_subject import BY_PAGE

pytestmark = pytest.mark.timeout(80)

MEANING = "I gave this dose and observed the subject."


@pytest.mark.req("S35")
def test_a_signature_shows_what_it_says_and_asks_for_the_credential_again(panel: Any, ward: Any) -> None:
    """Who is logged in signs nothing without badge and PIN; name, date, time, meaning and dose stand on the screen.

    The record has the same, bound to the dose record's hash.
    """
    begin(panel, ward)
    panel.tap("STOP")
    panel.explain()
    panel.tap("Cannot be measured")
    panel.on("outcome")
    outcome = ward.state()["outcome"]
    panel.tap("Sign the record")
    panel.on("sign")
    assert f"MEX-001, Day {outcome['day']}: {MEANING}" in panel.text("#main")
    assert THERAPIST[1] not in panel.text("#main")
    panel.prove(THERAPIST[0], "730519")
    panel.tap("Sign")
    assert panel.refused() == "That PIN is not the one of this badge. Type it again."
    assert ward.records("signature") == []
    local = ward.state()["local"]
    assert f"{THERAPIST[1]}, {local['date']}" in panel.text("#main")
    panel.keys(PIN)
    panel.tap("Sign")
    panel.on("idle")
    [signature] = ward.records("signature")
    assert (signature["operator"], signature["printed"], signature["meaning"]) == (*THERAPIST, MEANING)
    assert (signature["ref_seq"], signature["ref_leaf"]) == (outcome["seq"], outcome["leaf"])
    assert panel.faults == []


@pytest.mark.req("S51")
def test_a_second_page_has_the_same_session(browser: Any, panel: Any, ward: Any) -> None:
    """A page that is opened beside a dose shows that dose and begins no other: its press is refused as busy, by name.

    STOP on the second page stops the device.
    """
    begin(panel, ward)
    context = browser.new_context(viewport={"width": 800, "height": 480}, has_touch=True)
    second = type(panel)(context.new_page(), ward)
    second.page.goto(ward.address)
    second.log_in()
    second.on("running")
    assert second.text("#who").startswith("MEX-001")
    ward.scan(*scans("MEX-001", "KIT-0405").values())
    second.until(lambda: ward.state()["scanned"]["kit"] == "KIT-0405")
    second.on("running")
    assert second.page.evaluate(BY_PAGE, {"operator": THERAPIST[0]}) == "busy"
    assert len(ward.records("authorisation")) == len({one["session"] for one in ward.records("authorisation")})
    second.tap("STOP")
    panel.until(lambda: ward.device.get("/state")["output"] == "OFF")
    ward.machine.post("/api/unscan")
    panel.explain()
    panel.finish()
    second.on("idle")
    context.close()
