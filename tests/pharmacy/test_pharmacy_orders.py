"""Enrolment, leases, and worklists that follow what the records tell."""

import sqlite3
from datetime import date
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.kits import KitState
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.orders import DoseState, Worklist, parse_worklist
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.orders import RENEWAL_NS, current_worklists, renew_worklists

from .orders_desk import DESK, ORDERS, SITE

NOW_NS = 1_771_063_200_000_000_000


def renewed(db: sqlite3.Connection, at_ns: int = NOW_NS) -> Worklist:
    """Return the one worklist that is made anew now, as the unit reads it."""
    notes = renew_worklists(db, DESK, at_ns)
    assert list(notes) == ["neb-0001"]
    worklist = parse_worklist(notes["neb-0001"], ORDERS, SITE, "neb-0001", keys.verify)
    assert isinstance(worklist, Worklist)
    return worklist


def test_a_new_worklist_leases_the_whole_course(pharmacy: Any) -> None:
    """After enrolment the unit gets five doses with their kits, no history, and nothing twice."""
    worklist = renewed(pharmacy.db)
    [order] = worklist.orders
    assert [d.sequence for d in order.doses] == [kit.sequence for kit in worklist.kits] == [1, 2, 3, 4, 5]
    assert [(d.day, d.dose, d.kit) for d in order.doses] == [(n, 1, f"KIT-040{n}") for n in range(1, 6)]
    assert (str(order.day1), order.history, worklist.version) == ("2026-02-14", (), 1)
    assert worklist.operators == DESK.operators
    assert [(kit.kit, kit.state, kit.held_by) for kit in worklist.kits] == [
        (f"KIT-040{n}", KitState.DISPENSED, None) for n in range(1, 6)
    ]


def test_a_worklist_that_still_holds_is_not_made_anew(pharmacy: Any) -> None:
    """Without a change there is no new version; after a day there is."""
    assert renewed(pharmacy.db).version == 1
    assert renew_worklists(pharmacy.db, DESK, NOW_NS) == {}
    assert renewed(pharmacy.db, NOW_NS + RENEWAL_NS).version == 2
    assert len(current_worklists(pharmacy.db)) == 1


@pytest.mark.req("S50")
@pytest.mark.parametrize(
    ("end", "kit_state"),
    [("complete", "USED"), ("partial", "PARTIAL"), ("stopped", "PARTIAL"), ("uncertain", "OPENED")],
)
def test_an_outcome_ends_its_lease_and_enters_the_history(pharmacy: Any, unit: Any, end: str, kit_state: str) -> None:
    """Every way a dose can end, also in doubt, takes the lease away, tells the history and moves the kit."""
    before = renewed(pharmacy.db).version
    pharmacy.take(unit.dose(1, end=end))
    worklist = renewed(pharmacy.db)
    [order] = worklist.orders
    assert worklist.version == before + 1
    assert [dose.day for dose in order.doses] == [2, 3, 4, 5]
    assert [(h.day, h.state, h.unit) for h in order.history] == [(1, DoseState(end), "neb-0001")]
    assert str(order.day1) == "2026-02-14"
    assert pharmacy.rows("SELECT state FROM kit WHERE kit = 'KIT-0401'") == [(kit_state,)]


@pytest.mark.req("S04")
@pytest.mark.parametrize(
    ("changed", "started"),
    [({}, "10:00"), ({"started": "2026-02-14T09:53:00.000Z"}, "09:53"), ({"started": "this morning"}, "10:00")],
)
def test_the_history_tells_every_unit_when_a_dose_began(
    pharmacy: Any, unit: Any, changed: dict[str, str], started: str
) -> None:
    """Whichever unit gives the next dose waits by it; a record that does not say counts from when it was written."""
    pharmacy.take(unit.dose(1, **changed))
    [order] = renewed(pharmacy.db).orders
    assert [item.started_ns for item in order.history] == [parse_utc(f"2026-02-14T{started}:00.000Z")]


@pytest.mark.req("S04")
@pytest.mark.parametrize("typ", ["missed", "notdone"])
def test_what_was_not_begun_has_no_start(pharmacy: Any, unit: Any, typ: str) -> None:
    """A dose that nobody began keeps nobody waiting."""
    session = SessionDay(session="2026-02-14-0000aa", day=1, tz="UTC", date_local="2026-02-14")
    facts: dict[str, Any] = {"dose": 1, "kit": "KIT-0401"}
    pharmacy.take(unit.write(Draft(typ=typ, facts=facts, private={"subject": "MEX-001"}, session=session)))
    [order] = renewed(pharmacy.db).orders
    assert [(item.state.value, item.started_ns) for item in order.history] == [(typ, None)]


@pytest.mark.req("S04")
@pytest.mark.parametrize("before", ["nothing emitted", "not judged yet"])
def test_a_first_emission_on_day_2_leaves_day_1_where_it_was(before: str, pharmacy: Any, unit: Any) -> None:
    """A course does not move by what its first day came to, nor by whether the pharmacy judged it in time.

    Else the dose of Day 2 would lie on Day 1, and the next day would have a dose that was given already.
    """
    if before == "nothing emitted":
        pharmacy.take(unit.dose(1, end="stopped", low_nl=0, best_nl=0, high_nl=0))
    pharmacy.take(unit.dose(2))
    assert str(renewed(pharmacy.db).orders[0].day1) == "2026-02-14"


def test_a_dose_outside_the_leases_is_kept_and_remarked(pharmacy: Any, unit: Any) -> None:
    """A dose that was never leased happened all the same: it is kept, and the log says what does not fit."""
    assert "without a lease" in pharmacy.take(unit.dose(1, kit="KIT-0999")).remark
    assert "without a lease" in pharmacy.take(unit.dose(2, subject="MEX-009")).remark
    assert pharmacy.take(unit.dose(3)).remark is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subject": "MEX-001"}, "enrolled before"),
        ({"subject": "Maria Lopez"}, "pseudonym"),
        ({"unit": "neb-0009"}, "enrolled unit"),
        ({"second": "PH-01"}, "two different persons"),
        ({"second": "RT-07"}, "a pharmacist"),
        ({"by": "PH-99"}, "the code of a pharmacist"),
    ],
)
def test_who_cannot_be_enrolled_changes_nothing(pharmacy: Any, changed: dict[str, Any], words: str) -> None:
    """A subject or unit that is unknown, malformed or taken, or one person alone, is refused in words."""
    facts = {"subject": "MEX-002", "day1": date(2026, 2, 14), "unit": "neb-0001", "by": "PH-01", "second": "PH-02"}
    before = pharmacy.rows("SELECT * FROM ordered"), len(pharmacy.said("enrolment"))
    with pytest.raises(PharmacyFault, match=words):
        enrol_subject(pharmacy.books, Enrolment(**{**facts, **changed}))
    assert (pharmacy.rows("SELECT * FROM ordered"), len(pharmacy.said("enrolment"))) == before


def test_an_enrolment_is_signed_by_two(pharmacy: Any) -> None:
    """The enrolment is a record of the pharmacy's log with both persons and the subject as private facts."""
    [said] = pharmacy.said("enrolment")
    assert (said["subject"], said["operator"], said["second"], said["doses"]) == ("MEX-001", "PH-01", "PH-02", 5)


@pytest.mark.req("S50")
def test_a_dose_and_a_kit_are_leased_once(pharmacy: Any) -> None:
    """A dose that has a kit gets no second one, and a dispensed kit goes to no other subject."""
    books = pharmacy.books
    with pytest.raises(PharmacyFault, match="leased to neb-0001 with kit KIT-0401"):
        dispense(books, Dispensing(subject="MEX-001", day=1, dose=1, kits=("KIT-0402",), by="PH-01"))
    wish = Enrolment(subject="MEX-002", day1=date(2026, 2, 14), unit="neb-0001", by="PH-01", second="PH-02")
    enrol_subject(books, wish)
    with pytest.raises(PharmacyFault, match="DISPENSED"):
        dispense(books, Dispensing(subject="MEX-002", day=1, dose=1, kits=("KIT-0402",), by="PH-01"))
    with pytest.raises(sqlite3.IntegrityError):
        pharmacy.db.execute("UPDATE ordered SET kit = 'KIT-0402' WHERE subject = 'MEX-002' AND day = 1")


@pytest.mark.parametrize("name", [f"{SITE}/nebctl/neb-0002/1", "live.example/nebctl/neb-0001/1", "someone"])
def test_a_key_of_another_place_is_not_enrolled(pharmacy: Any, name: str) -> None:
    """Only a key named for this site and this unit can become the unit's key."""
    with pytest.raises(PharmacyFault):
        enrol_unit(pharmacy.db, SITE, "neb-0001", Vkey(name, ED25519, b"\x05" * 32), NOW_NS)


def test_a_units_key_cannot_be_swapped(pharmacy: Any, unit: Any) -> None:
    """Enrolling the same key again is harmless; another key for the same epoch is refused."""
    enrol_unit(pharmacy.db, SITE, "neb-0001", unit.vkey, NOW_NS)
    with pytest.raises(PharmacyFault, match="another key"):
        enrol_unit(pharmacy.db, SITE, "neb-0001", Vkey(unit.vkey.name, ED25519, b"\x05" * 32), NOW_NS)
