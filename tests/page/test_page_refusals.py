"""Each reason for which no dose may begin, as the therapist meets it: a scan, a sentence, and no start."""

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.kits import KitState, LotState
from nebctl.core.orders import DoseState, Operator, Worklist
from nebctl.core.scan.message import shown
from nebctl_lab.bedside import Http
from nebctl_lab.codes import scans
from nebctl_lab.demo.site import FIRST_MORNING, LEASE_NS, MESH, STUDY, THERAPIST
from nebctl_lab.people import PIN

from .lists import NOW_NS, Pharmacy, kit, order

pytestmark = pytest.mark.timeout(80)

RECALLED, HELD_BACK = "EXO2020B", "EXO2020C"
AT, OTHER, CALL = "on 14 Feb at 08:12", "Take another kit and scan it.", "Call the pharmacy."
ASIDE, LOT_ASIDE = "Set it aside and call the pharmacy.", "Set this kit aside and call the pharmacy."
NO_SECOND, NEW_LIST = "No second dose today.", "Call the pharmacy for a new one."
ONLY_ON = "doses are given on Day 1 to Day 5"
HELD = "Today's dose is held by unit neb-0017. Use that unit or call the pharmacy."

STATES = {
    "KIT-0700": (KitState.RECEIVED, "kit-quarantined", f"This kit is not released yet. {CALL}"),
    "KIT-0701": (KitState.QUARANTINED, "kit-quarantined", f"This kit is in quarantine. {ASIDE}"),
    "KIT-0702": (KitState.RELEASED, "kit-not-dispensed", f"The pharmacy has given this kit to no subject yet. {CALL}"),
    "KIT-0703": (KitState.OPENED, "kit-opened", f"This kit was opened {AT}. {OTHER}"),
    "KIT-0704": (KitState.USED, "kit-used", f"This kit was used up {AT}. {OTHER}"),
    "KIT-0705": (KitState.PARTIAL, "kit-used", f"This kit was used in part {AT}. {OTHER}"),
    "KIT-0706": (KitState.RETURNED, "kit-returned", f"This kit was returned {AT}. {OTHER}"),
    "KIT-0707": (KitState.DAMAGED, "kit-damaged", f"This kit was reported damaged {AT}. {OTHER}"),
    "KIT-0708": (KitState.LOST, "kit-lost", f"This kit was reported lost {AT}. {ASIDE}"),
    "KIT-0709": (KitState.DESTROYED, "kit-destroyed", f"This kit was recorded as destroyed {AT}. {CALL}"),
}


THE_LIST = Worklist(
    version=0,
    issued_ns=NOW_NS,
    expires_ns=NOW_NS + LEASE_NS,
    study=STUDY,
    orders=(
        order("MEX-001", {1: "KIT-0401", 2: "KIT-0402"}),
        order("MEX-002", {1: "KIT-0501"}),
        order("MEX-003", {1: "KIT-0713"}, given=DoseState.COMPLETE),
        order("MEX-004", {1: "KIT-0714"}, given=DoseState.UNCERTAIN),
        order("MEX-005", {5: "KIT-0715"}, day1=date(2026, 2, 1)),
        order("MEX-006", {1: "KIT-0716"}, not_after_ns=NOW_NS),
    ),
    operators=(
        Operator(code=THERAPIST[0], name=THERAPIST[1], roles=("therapist",)),
        Operator(code="PH-01", name="A pharmacist", roles=("pharmacist",)),
    ),
    kits=(
        *(kit(name, state=state) for name, (state, _, _) in STATES.items()),
        kit("KIT-0401"),
        kit("KIT-0710", expires=FIRST_MORNING.date() - timedelta(days=1)),
        kit("KIT-0711", lot=RECALLED, lot_state=LotState.RECALLED),
        kit("KIT-0712", lot=HELD_BACK, lot_state=LotState.QUARANTINED),
        kit("KIT-0717", held_by="neb-0017"),
        kit("KIT-0718", subject="MEX-008", held_by="neb-0017"),
        kit("KIT-0719"),
        kit("KIT-0720", subject="MEX-009"),
    ),
)
"""A list by which MEX-001 may have KIT-0401 today, and everything else has something against it."""
EXPIRED = replace(THE_LIST, issued_ns=NOW_NS - LEASE_NS, expires_ns=NOW_NS)


@dataclass(frozen=True, slots=True)
class Case:
    """What is scanned under which list, and what must be recorded and read."""

    code: str
    subject: str
    kit: str
    says: str
    worklist: Worklist = THE_LIST


CASES = (
    *(Case(code, "MEX-001", name, says) for name, (_, code, says) in STATES.items()),
    Case("kit-expired", "MEX-001", "KIT-0710", f"This kit expired on 13 Feb. {OTHER}"),
    Case("kit-recalled", "MEX-001", "KIT-0711", f"Lot {RECALLED} was recalled. {LOT_ASIDE}"),
    Case("kit-quarantined", "MEX-001", "KIT-0712", f"Lot {HELD_BACK} is in quarantine. {LOT_ASIDE}"),
    Case("kit-serial", "MEX-001", "KIT-0777", f"The pharmacy knows no kit with serial number KIT-0777. {LOT_ASIDE}"),
    Case("kit-other-subject", "MEX-001", "KIT-0501", "This kit belongs to another subject. Take the kit for MEX-001."),
    Case("kit-other-subject", "MEX-002", "KIT-0401", "This kit belongs to another subject. Take the kit for MEX-002."),
    Case("kit-other-day", "MEX-001", "KIT-0402", "Kit KIT-0402 is for Day 2; today is Day 1. Take today's kit."),
    Case("wrong-day", "MEX-005", "KIT-0715", f"Today is Day 14 for MEX-005; {ONLY_ON}. Give no dose."),
    Case("dose-given", "MEX-003", "KIT-0713", f"Today's dose was given on unit neb-0017. {NO_SECOND} {CALL}"),
    Case("dose-given", "MEX-004", "KIT-0714", f"Today's dose may have been given on unit neb-0017. {NO_SECOND} {CALL}"),
    Case("held-elsewhere", "MEX-001", "KIT-0717", HELD),
    Case("held-elsewhere", "MEX-008", "KIT-0718", HELD),
    Case("no-lease", "MEX-009", "KIT-0720", f"No dose for MEX-009 is held by this unit. {CALL}"),
    Case("no-lease", "MEX-001", "KIT-0719", f"The pharmacy holds no dose open for kit KIT-0719. {CALL}"),
    Case("lease-ended", "MEX-006", "KIT-0716", f"The pharmacy's lease for this dose has ended. {CALL}"),
    Case("worklist-expired", "MEX-001", "KIT-0401", f"The pharmacy's list of doses has expired. {NEW_LIST}", EXPIRED),
)

LEGIBLE = (Path(__file__).parent / "legible.js").read_text("utf-8")
ALARM_ON_TOP = """() => {
  const alarm = document.querySelector('#alarm');
  alarm.hidden = false;
  alarm.style.pointerEvents = 'auto';
  const seen = alarm.contains(document.elementFromPoint(20, 70));
  alarm.hidden = true;
  return seen;
}"""
SELECTED = """(name) => {
  const box = document.activeElement;
  return box.name === name && box.selectionStart === 0 && box.selectionEnd === box.value.length;
}"""


@pytest.fixture(scope="module")
def pharmacy(ward: Any) -> Pharmacy:
    """Give whoever sends lists; the ward's own pharmacy sends older ones, which the unit does not take."""
    return Pharmacy(ward)


def scan(panel: Any, box: str, code: str) -> None:
    """Scan a code as a wedge scanner types it, Enter included, when the box has the focus and its text is selected."""
    panel.page.wait_for_function(SELECTED, arg=box)
    panel.page.keyboard.type(f"{code}\n")


def log_in(panel: Any, badge: str, screen: str = "idle") -> None:
    """Log in by scanning a badge and typing the PIN."""
    scan(panel, "operator", badge)
    scan(panel, "pin", PIN)
    panel.on(screen)


def scan_all(panel: Any, subject: str, name: str) -> None:
    """Scan wristband, study card and kit from idle; the person is the one who has logged in."""
    panel.ward.scan(*scans(subject, name, THE_LIST.kits).values())
    if name != "KIT-0777":  # a kit that nobody knows fills no slot
        panel.tap("Check")


def scan_kit(panel: Any, name: str) -> None:
    """Scan a kit."""
    panel.ward.scan(scans("", name, THE_LIST.kits)["kit"])
    panel.tap("Check")


def read(panel: Any) -> str:
    """Wait for the sentence, prove that a person can read it, and return it."""
    panel.page.wait_for_selector("#notice", state="visible")
    assert panel.page.evaluate(LEGIBLE) == []
    return str(panel.text("#notice-text"))


def assert_nothing_started(panel: Any, ward: Any, screen: str, starts: int = 0) -> None:
    """Prove that the page is where a scan begins, that there is no START, and that nothing began."""
    panel.on(screen)
    panel.page.wait_for_selector("#notice", state="hidden")
    assert panel.page.locator('#upper[data-mode="none"]').is_disabled()
    assert ward.state()["state"] == "idle"
    assert len(ward.records("start")) == starts
    assert "POST api/start" not in panel.asked
    assert panel.faults == []


def test_a_refused_kit_is_put_aside_and_another_one_scanned(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """No key, tap or hold turns a refusal into a start; after OK the next kit that is scanned counts.

    An alarm that came meanwhile would show over the sentence.
    """
    pharmacy.holds(THE_LIST, panel.until)
    log_in(panel, THERAPIST[0])
    scan_all(panel, "MEX-001", "KIT-0703")
    assert read(panel) == STATES["KIT-0703"][2]
    panel.until(lambda: panel.text("#sync") == "Records sent")
    panel.page.mouse.move(*panel.middle("#upper"))
    panel.page.mouse.down()
    panel.page.wait_for_timeout(900)
    panel.page.mouse.up()
    panel.page.keyboard.press("Escape")
    assert panel.page.locator("#notice").is_visible()
    assert panel.page.evaluate(ALARM_ON_TOP)
    panel.page.focus("#notice-close")
    panel.page.keyboard.press("Enter")
    assert_nothing_started(panel, ward, "scan")
    assert ward.records("authorisation") == []
    scan_kit(panel, "KIT-0401")
    panel.on("cup")
    [authorisation] = ward.records("authorisation")
    assert authorisation["kit"] == "KIT-0401"


@pytest.fixture(scope="module")
def therapist(lasting_panel: Any, pharmacy: Pharmacy) -> Any:
    """Give a page at which the therapist is logged in, with no dose under way."""
    pharmacy.holds(THE_LIST, lasting_panel.until)
    log_in(lasting_panel, THERAPIST[0])
    return lasting_panel


@pytest.mark.req("S10")
@pytest.mark.req("S50")
@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}-{case.subject}-{case.kit}" for case in CASES])
def test_the_page_says_why_and_what_to_do(therapist: Any, ward: Any, pharmacy: Pharmacy, case: Case) -> None:
    """Each reason is a legible sentence without its code, is recorded with it, and after OK nothing has begun."""
    pharmacy.holds(case.worklist, therapist.until)
    before = len(ward.records("refusal"))
    scan_all(therapist, case.subject, case.kit)
    said = read(therapist)
    in_chinese = therapist.in_chinese(f"refused_{case.code}", said)
    therapist.tap("OK")
    assert_nothing_started(therapist, ward, "scan")
    therapist.tap("Back")
    therapist.on("idle")
    assert said == case.says
    assert case.code not in said
    assert re.fullmatch(r"(?:[\u4e00-\u9fff，。：；、]|(?:MEX|KIT|EXO|neb)[\w-]+|[\d: ])+。", in_chinese)
    [record] = ward.records("refusal")[before:]
    read_as = case.kit if case.code != "kit-serial" else shown(scans("", case.kit)["kit"])
    assert (record["code"], record["kit"], record["sentence"]) == (case.code, read_as, said)


@pytest.mark.req("S10")
def test_a_pharmacist_gives_no_dose(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """A person on the list who is no therapist may look, but begins no dose, and her attempt is recorded."""
    pharmacy.holds(THE_LIST, panel.until)
    log_in(panel, "PH-01")
    scan_all(panel, "MEX-001", "KIT-0401")
    assert read(panel) == "Badge PH-01 is not a therapist's. Let a therapist scan a badge."
    panel.tap("OK")
    assert_nothing_started(panel, ward, "scan")
    assert ward.records("refusal")[-1]["code"] == "operator-not-therapist"


def test_a_badge_that_is_not_on_the_list_opens_nothing(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """An unknown badge is not logged in; one that the pharmacy takes off its list is locked out in mid-scan."""
    pharmacy.holds(THE_LIST, panel.until)
    log_in(panel, "RT-99", "login")
    assert read(panel) == f"Badge RT-99 is not on the list of operators. {CALL}"
    panel.tap("OK")
    assert_nothing_started(panel, ward, "login")
    log_in(panel, THERAPIST[0])
    panel.tap("Begin a dose")
    panel.on("scan")
    pharmacy.holds(replace(THE_LIST, operators=THE_LIST.operators[1:]), panel.until)
    assert_nothing_started(panel, ward, "login")
    log_in(panel, THERAPIST[0], "login")
    assert read(panel) == f"Badge {THERAPIST[0]} is not on the list of operators. {CALL}"
    panel.tap("OK")
    assert_nothing_started(panel, ward, "login")


def test_a_scan_that_says_nothing_or_comes_from_nobody(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """What nobody knows, and a login that has ended, are told as plainly as a wrong kit."""
    pharmacy.holds(THE_LIST, panel.until)
    log_in(panel, THERAPIST[0])
    panel.ward.scan("]C04006381333931")
    assert read(panel).startswith("Nobody here knows this code")
    panel.tap("OK")
    panel.page.context.clear_cookies()
    scan_all(panel, "MEX-001", "KIT-0401")
    assert read(panel) == "Nobody is logged in. Scan your badge and type your PIN."
    assert ward.state()["state"] == "idle"


@pytest.mark.req("S50")
def test_an_older_list_gives_nothing_back(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """A dose that the newest list no longer holds stays refused when an older list that held it comes again."""
    pharmacy.holds(THE_LIST, panel.until)
    earlier = pharmacy.note(THE_LIST, pharmacy.version)
    without = replace(THE_LIST, orders=THE_LIST.orders[1:], kits=(kit("KIT-0401"),))
    pharmacy.holds(without, panel.until)
    log, told = ward.site.log("unit"), "older than the one that the unit has"
    seen = log.read_text("utf-8").count(told)
    pharmacy.send(earlier)
    panel.until(lambda: log.read_text("utf-8").count(told) > seen)
    log_in(panel, THERAPIST[0])
    scan_all(panel, "MEX-001", "KIT-0401")
    assert read(panel) == f"No dose for MEX-001 is held by this unit. {CALL}"
    panel.tap("OK")
    assert_nothing_started(panel, ward, "scan")
    assert ward.records("refusal")[-1]["code"] == "no-lease"


@pytest.mark.req("S02")
@pytest.mark.req("S10")
def test_after_a_dose_neither_its_kit_nor_a_second_dose(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """A dose that was stopped at once counts: its kit is opened, and no other kit gives a second dose that day."""
    pharmacy.holds(THE_LIST, panel.until)
    ward.device.post("/fill", nl=3_000_000)
    log_in(panel, THERAPIST[0])
    panel.prepare("0401")
    panel.upper("start")
    panel.hold()
    panel.upper("pause")
    panel.tap("STOP")
    panel.explain()
    panel.finish()
    panel.asked.clear()
    pharmacy.holds(replace(THE_LIST, orders=(order("MEX-001", {1: "KIT-0721"}), *THE_LIST.orders[1:])), panel.until)
    [start] = ward.records("start")
    scan_all(panel, "MEX-001", "KIT-0401")
    assert re.fullmatch(rf"This kit was opened on 14 Feb at 09:\d\d\. {OTHER}", read(panel))
    panel.tap("OK")
    scan_kit(panel, "KIT-0721")
    assert re.fullmatch(r"Today's dose was begun at 09:\d\d\. No second dose today\.", read(panel))
    panel.tap("OK")
    assert_nothing_started(panel, ward, "scan", starts=1)
    assert [record["code"] for record in ward.records("refusal")[-2:]] == ["kit-opened", "dose-given"]
    assert start["kit"] == "KIT-0401"


@pytest.mark.req("S50")
def test_a_list_put_back_on_the_disk_lets_nobody_in(panel: Any, ward: Any, pharmacy: Pharmacy) -> None:
    """A unit that restarts beside an older list than its log names has no list: nobody logs in, whatever is scanned."""
    pharmacy.holds(THE_LIST, panel.until)
    starts = len(ward.records("start"))
    ward.unit.stop()
    folder = ward.site.unit(MESH.unit)
    (folder / "worklist.note").write_text(pharmacy.note(THE_LIST, pharmacy.version - 1), "utf-8")
    pharmacy.send("")
    ward.unit.start()
    again = replace(ward, machine=Http(ward.unit.ready, (folder / "api.token").read_text("ascii")))
    panel.page.goto(again.address)
    panel.on("login")
    log_in(panel, THERAPIST[0], "login")
    assert read(panel).endswith(CALL)
    panel.tap("OK")
    assert_nothing_started(panel, again, "login", starts)
