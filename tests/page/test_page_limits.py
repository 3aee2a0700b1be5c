"""What persons answer for at the page: a soft limit, a dose beyond the study protocol, and the unit's clock."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.orders import Operator, PlannedDose, Worklist
from nebctl_lab.codes import scans
from nebctl_lab.demo.site import LEASE_NS, LOT, THERAPIST
from nebctl_lab.people import PIN
from nebctl_protocols import default_site_rules

from .conftest import start_ward, want_browser
from .lists import LATEST, NOW_NS, Pharmacy, first_dose, kit

pytestmark = pytest.mark.timeout(80)

RULES = default_site_rules() + '\nwindow_start = 20:00:00\nwindow_end = 21:00:00\nsoft = ["outside-window"]\n'
UNSURE = Path(__file__).parent / "unsure_unit.py"
WINDOW = "Doses start between 20:00 and 21:00 here. Wait or call the pharmacy."
BEYOND = "A dose beyond the study protocol needs two persons, one of them an investigator, and a reason."
INVESTIGATOR = "PI-01"
EXTRA_KIT = "KIT-0999"


def the_list() -> Worklist:
    """Return a list by which MEX-001 may have KIT-0401 on Day 1, and an extra dose from KIT-0999."""
    listed = first_dose()
    [first] = listed.orders
    extra = PlannedDose(day=1, dose=2, kit=EXTRA_KIT, lot=LOT, not_after_ns=NOW_NS + LEASE_NS, sequence=LATEST)
    others = (
        Operator(code="RT-08", name="Another therapist", roles=("therapist",)),
        Operator(code=INVESTIGATOR, name="An investigator", roles=("investigator",)),
    )
    return replace(
        listed,
        orders=(replace(first, doses=(*first.doses, extra)),),
        operators=(*listed.operators, *others),
        kits=(*listed.kits, kit(EXTRA_KIT)),
    )


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a ward whose doses start from 20:00 to 21:00, softly, and whose unit's clock nothing synchronises."""
    want_browser()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr("nebctl_lab.demo.site.default_site_rules", lambda: RULES)
        yield start_ward(tmp_path_factory.mktemp("ward") / "site", stack, program=(str(UNSURE),))


@pytest.fixture(scope="module")
def pharmacy(ward: Any) -> Pharmacy:
    """Give whoever sends lists in the ward's own pharmacy's place."""
    return Pharmacy(ward)


def set_hour(ward: Any, hour: int) -> None:
    """Let it be half past this hour by the site's time, today or tomorrow."""
    local = datetime.fromisoformat(reading(ward))
    then = local.replace(hour=hour, minute=30)
    ward.skip(((then if then >= local else then + timedelta(days=1)) - local).seconds)


def reading(ward: Any) -> str:
    """Return date and time as a clock beside the unit shows them."""
    return f"{ward.state()['local']['date']} {ward.state()['local']['time']}"


@pytest.fixture
def therapist(request: Any, panel: Any, ward: Any, pharmacy: Pharmacy) -> Any:
    """Give a page at which the therapist logs in at the hour that the test is marked with."""
    pharmacy.holds(the_list(), panel.until)
    set_hour(ward, request.param)
    panel.log_in()
    panel.on("idle")
    return panel


@pytest.fixture
def sure(therapist: Any, ward: Any) -> None:
    """Let a person have checked the unit's clock, which holds for 12 h."""
    for _ in range(2):
        ward.machine.post("/api/clock-check", operator=THERAPIST[0], reading=reading(ward))
        ward.skip(12)
    assert ward.state()["clock_trusted"]


at = partial(pytest.mark.parametrize, "therapist", indirect=True)


@pytest.mark.usefixtures("sure")
@pytest.mark.req("S05")
@at(argvalues=[9])
def test_a_soft_limit_is_asked_about_and_signed(therapist: Any, ward: Any) -> None:
    """Outside the site's hours the page says so and asks why; only a reason that is confirmed begins a dose.

    Going back at either question begins nothing.
    """
    before = len(ward.records("override"))
    ward.scan(*scans("MEX-001", "KIT-0401").values())
    therapist.on("scan")
    therapist.tap("Check")
    therapist.on("limit")
    assert therapist.text("#main .sentence") == WINDOW
    therapist.tap("Give no dose now")
    therapist.on("scan")
    therapist.tap("Check")
    therapist.on("limit")
    therapist.tap("Subject leaves")
    therapist.on("limit-confirm")
    assert re.findall(r"<dd>(.*?)</dd>", therapist.page.inner_html("#main .facts")) == [
        WINDOW,
        "Subject leaves today",
        f"{THERAPIST[1]} ({THERAPIST[0]})",
    ]
    therapist.tap("Back")
    therapist.on("limit")
    assert len(ward.records("override")) == before
    assert ward.state()["state"] == "idle"
    therapist.tap("Other")
    therapist.on("limit-words")
    therapist.page.keyboard.type("the transport leaves at noon")
    therapist.tap("Next")
    therapist.on("limit-confirm")
    therapist.tap("Confirm")
    therapist.on("cup")
    record, authorisation = ward.records("override")[-1], ward.records("authorisation")[-1]
    assert (record["limit"], record["kind"], record["kit"]) == ("outside-window", "soft", "KIT-0401")
    assert record["seq"] < authorisation["seq"]
    assert (record["operator"], record["text"]) == (THERAPIST[0], "the transport leaves at noon")
    assert "second" not in record
    assert therapist.faults == []


@pytest.mark.usefixtures("sure")
@pytest.mark.req("S05")
@at(argvalues=[9])
def test_the_question_is_about_what_was_scanned(therapist: Any, ward: Any) -> None:
    """Another kit before the reason is given takes the question away: nobody confirms for what was not asked."""
    ward.scan(*scans("MEX-001", "KIT-0401").values())
    therapist.on("scan")
    therapist.tap("Check")
    therapist.on("limit")
    therapist.tap("A doctor")
    therapist.on("limit-confirm")
    ward.scan(scans("MEX-001", EXTRA_KIT, the_list().kits)["kit"])
    therapist.on("scan")
    assert ward.state()["state"] == "idle"


@pytest.mark.usefixtures("sure")
@pytest.mark.req("S02")
@at(argvalues=[20])
def test_a_dose_beyond_the_protocol_needs_two_persons_at_the_page(therapist: Any, ward: Any) -> None:
    """The reason, the therapist's own badge and PIN, and an investigator's begin an extra dose; anything less does not.

    Both persons and the reason are signed before the authorisation.
    """
    before = len(ward.records("override"))
    ward.scan(*scans("MEX-001", EXTRA_KIT).values())
    therapist.on("scan")
    therapist.tap("Check")
    therapist.on("limit")
    assert therapist.text("#main .sentence") == BEYOND
    therapist.tap("The first dose was lost")
    therapist.on("limit-persons")
    assert therapist.page.locator('input[name="operator"]').input_value() == THERAPIST[0]
    for second, pin, said in (
        ("RT-08", PIN, "Neither of the two is an investigator. Call one to the bed."),
        (THERAPIST[0], PIN, "Two different persons answer for this, each with badge and PIN. You are one of them."),
        (INVESTIGATOR, "730519", "That PIN is not the one of this badge. Type it again."),
    ):
        therapist.prove(THERAPIST[0])
        therapist.tap("Next")
        therapist.prove(second, pin)
        therapist.tap("Confirm")
        assert therapist.refused() == said
    assert len(ward.records("override")) == before
    assert ward.state()["state"] == "idle"
    therapist.prove(THERAPIST[0])
    therapist.tap("Next")
    therapist.prove(INVESTIGATOR)
    therapist.tap("Confirm")
    therapist.on("cup")
    record, authorisation = ward.records("override")[-1], ward.records("authorisation")[-1]
    assert (record["limit"], record["kind"], record["kit"]) == ("extra-dose", "two-persons", EXTRA_KIT)
    assert record["seq"] < authorisation["seq"]
    told = (record["operator"], record["second"], record["text"])
    assert told == (THERAPIST[0], INVESTIGATOR, "The first dose was lost")
    assert therapist.faults == []


@pytest.mark.req("S32")
@at(argvalues=[9])
def test_a_clock_that_is_not_sure_is_checked_by_two_readings(therapist: Any, ward: Any) -> None:
    """No dose is begun from the list, and no time shown, before a person typed twice what another clock shows.

    A reading that differs is told, and both are typed anew. The record has both readings and who typed them.
    """
    therapist.page.clock.install()
    therapist.page.reload()
    therapist.on("idle")
    assert not therapist.page.locator("button:visible", has_text="Begin a dose").count()
    ward.scan(*scans("MEX-001", "KIT-0401").values())
    therapist.on("scan")
    therapist.until(lambda: ward.state()["scanned"]["kit"] == "KIT-0401")
    offered = therapist.page.locator("#main button:visible").all_text_contents()
    assert offered == ["Check the clock", "Back"]
    therapist.tap("Check the clock")
    therapist.on("clock")
    assert therapist.text("#clock") == "–"
    shown = ward.state()["local"]
    digits = shown["date"].replace("-", "")
    therapist.keys(f"{digits}0307")
    assert therapist.page.locator('input[name="time"]').input_value() == "03:07"
    therapist.tap("Next")
    assert therapist.refused().startswith("This unit says ")
    for _ in "0307":
        therapist.tap("Del")
    first = ward.state()["local"]
    therapist.keys(first["time"].replace(":", ""))
    therapist.tap("Next")
    therapist.on("clock-again")
    assert therapist.page.locator("button:visible", has_text=re.compile("^Wait")).is_disabled()
    ward.skip(12)
    therapist.page.clock.fast_forward(12_000)
    second = ward.state()["local"]
    therapist.keys(second["time"].replace(":", ""))
    therapist.tap("Check")
    therapist.on("scan")
    therapist.page.wait_for_selector('button:visible >> text="Check"')
    therapist.tap("Back")
    therapist.on("idle")
    therapist.page.wait_for_selector("button:visible >> text=Begin a dose")
    assert therapist.text("#clock") != "–"
    record = ward.records("clock")[-1]
    assert record["readings"] == [f"{one['date']} {one['time']}" for one in (first, second)]
    assert record["operator"] == THERAPIST[0]
