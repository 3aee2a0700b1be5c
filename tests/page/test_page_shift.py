"""A shift change in mid-dose at the page: the second badge takes over, and each signs the part observed, alone."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.orders import Operator
from nebctl_lab.demo.site import THERAPIST

from .lists import Pharmacy, first_dose

pytestmark = pytest.mark.timeout(80)

SECOND = ("RT-08", "Night therapist")
PART = "I observed this dose while I answered for it."


@pytest.fixture(scope="module")
def pharmacy(ward: Any) -> Pharmacy:
    """Give whoever sends lists in the ward's own pharmacy's place."""
    return Pharmacy(ward)


def change_to(panel: Any, code: str, screen: str) -> None:
    """Lock the page, and let another person log in."""
    panel.tap("Menu")
    panel.page.locator("#choices button", has_text="Lock").tap()
    panel.on("login")
    panel.prove(code)
    panel.tap("Log in")
    panel.on(screen)


@pytest.mark.req("S55")
def test_a_second_badge_takes_a_dose_over_and_each_signs_her_part(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """Only looking changes nothing; taking over is a record, and nothing to the device; nobody signs for the other.

    The part that is left unsigned is named to whom it belongs, on her list of doses, and to nobody else.
    """
    listed = first_dose()
    therapists = (*listed.operators, Operator(code=SECOND[0], name=SECOND[1], roles=("therapist",)))
    pharmacy.holds(replace(listed, operators=therapists), panel.until)
    ward.device.post("/fill", nl=3_000_000)
    panel.log_in()
    panel.prepare("0401")
    panel.upper("start")
    panel.hold()
    panel.on("running")
    change_to(panel, SECOND[0], "takeover")
    assert panel.text("#main h1") == f"{THERAPIST[0]} answers for this dose"
    panel.tap("Only look")
    panel.on("running")
    assert ward.records("handover") == []
    change_to(panel, SECOND[0], "takeover")
    panel.tap("Take over")
    panel.on("running")
    [handover] = ward.records("handover")
    assert handover["operator"] == SECOND[0]
    assert ward.state()["observers"] == [THERAPIST[0], SECOND[0]]
    assert [len(ward.records(typ)) for typ in ("start", "pause", "resume")] == [1, 0, 0]
    assert ward.device.get("/state")["output"] == "RUN"
    panel.tap("STOP")
    panel.explain()
    panel.tap("Cannot be measured")
    panel.on("outcome")
    panel.tap("Sign the record")
    panel.on("sign")
    assert PART in panel.text("#main")
    panel.prove(SECOND[0])
    assert SECOND[1] in panel.text("#main")
    panel.tap("Sign")
    panel.on("idle")
    assert not panel.page.locator("button:visible", has_text="Sign your part").count()
    change_to(panel, THERAPIST[0], "idle")
    panel.tap("Sign your part")
    panel.on("sign")
    panel.prove(THERAPIST[0])
    panel.tap("Sign")
    panel.on("idle")
    panel.page.wait_for_selector("button >> text=Sign your part", state="hidden")
    [dose], signatures = ward.records("dose"), ward.records("signature")
    assert [(one["operator"], one["meaning"]) for one in signatures] == [(SECOND[0], PART), (THERAPIST[0], PART)]
    assert len({one["ref_seq"] for one in signatures} | {dose["seq"]}) <= 2
    assert ward.state()["unsigned"] == []
    assert panel.faults == []
