"""Enrolment, leases, and worklists that follow what the records tell."""

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.orders import DoseState, Operator, Worklist, parse_worklist
from nebctl.pharmacy.enrolment import Course, EnrolmentFault, enrol_subject, enrol_unit
from nebctl.pharmacy.orders import LIFETIME_NS, Desk, current_worklists, renew_worklists

SITE = "sim.mexcovid.example"
NOW_NS = 1_771_063_200_000_000_000
SIGNER = keys.Ed25519Signer.from_seed(b"\x03" * 32)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, SIGNER.public)
DESK = Desk(
    site=SITE,
    study="NCT04276987",
    operators=(Operator(code="RT-07", name="Demo", roles=("therapist",)),),
    key_name=ORDERS.name,
    signer=SIGNER,
)


def renewed(db: sqlite3.Connection, at_ns: int = NOW_NS) -> Worklist:
    """Return the one worklist that is made anew now, as the unit reads it."""
    notes = renew_worklists(db, DESK, at_ns)
    assert list(notes) == ["neb-0001"]
    worklist = parse_worklist(notes["neb-0001"], ORDERS, SITE, "neb-0001", keys.verify)
    assert isinstance(worklist, Worklist)
    return worklist


def another(**changed: Any) -> Course:
    """Return a one-day course for MEX-002."""
    course = Course(
        subject="MEX-002",
        unit="neb-0001",
        kits=("KIT-0501",),
        lot="EXO2020A",
        day1=None,
        doses_a_day=1,
        not_after_ns=NOW_NS + 10**9,
    )
    return replace(course, **changed)


def test_a_new_worklist_leases_the_whole_course(pharmacy: Any) -> None:
    """After enrolment the unit gets five doses with their kits, no history, and nothing twice."""
    worklist = renewed(pharmacy.db)
    [order] = worklist.orders
    assert [(d.day, d.dose, d.kit) for d in order.doses] == [(n, 1, f"KIT-040{n}") for n in range(1, 6)]
    assert (order.day1, order.history, worklist.version) == (None, (), 1)
    assert worklist.operators == DESK.operators


def test_a_worklist_that_still_holds_is_not_made_anew(pharmacy: Any) -> None:
    """Without a change there is no new version; past half of its life there is."""
    assert renewed(pharmacy.db).version == 1
    assert renew_worklists(pharmacy.db, DESK, NOW_NS) == {}
    assert renewed(pharmacy.db, NOW_NS + LIFETIME_NS // 2).version == 2
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


def test_day_1_is_the_first_day_with_any_emission(pharmacy: Any, unit: Any) -> None:
    """An outcome that certainly emitted nothing does not begin the course."""
    pharmacy.take(unit.dose(1, end="stopped", low_nl=0, best_nl=0, high_nl=0))
    assert renewed(pharmacy.db).orders[0].day1 is None
    pharmacy.take(unit.dose(2))
    assert str(renewed(pharmacy.db).orders[0].day1) == "2026-02-15"


def test_a_dose_outside_the_leases_is_kept_and_remarked(pharmacy: Any, unit: Any) -> None:
    """A dose that was never leased happened all the same: it is kept, and the log says what does not fit."""
    assert "without a lease" in pharmacy.take(unit.dose(1, kit="KIT-0999")).remark
    assert "without a lease" in pharmacy.take(unit.dose(2, subject="MEX-009")).remark
    assert pharmacy.take(unit.dose(3)).remark is None


@pytest.mark.req("S50")
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subject": "MEX-001"}, "enrolled before"),
        ({"subject": "Maria Lopez"}, "pseudonym"),
        ({"kits": ("KIT-0401",)}, "leased for MEX-001"),
        ({"kits": ("KIT-1", "KIT-1")}, "each kit once"),
        ({"kits": ("kit 1",)}, "label"),
        ({"unit": "neb-0009"}, "enrolled unit"),
    ],
)
def test_what_cannot_be_leased_changes_nothing(pharmacy: Any, changed: dict[str, Any], words: str) -> None:
    """A subject, kit or unit that is unknown, malformed or taken is refused in words, and nothing is leased."""
    before = pharmacy.rows("SELECT * FROM kit")
    with pytest.raises(EnrolmentFault, match=words):
        enrol_subject(pharmacy.db, another(**changed), NOW_NS)
    assert pharmacy.rows("SELECT * FROM kit") == before
    assert pharmacy.rows("SELECT count(*) FROM subject") == [(1,)]


def test_two_doses_a_day_fill_day_after_day(pharmacy: Any) -> None:
    """With two doses a day, four kits make two days."""
    kits = ("K-1", "K-2", "K-3", "K-4")
    enrol_subject(pharmacy.db, another(kits=kits, doses_a_day=2), NOW_NS)
    rows = pharmacy.rows("SELECT kit, day, dose FROM kit WHERE subject = 'MEX-002' ORDER BY kit")
    assert rows == [("K-1", 1, 1), ("K-2", 1, 2), ("K-3", 2, 1), ("K-4", 2, 2)]


@pytest.mark.parametrize("name", [f"{SITE}/nebctl/neb-0002/1", "live.example/nebctl/neb-0001/1", "someone"])
def test_a_key_of_another_place_is_not_enrolled(pharmacy: Any, name: str) -> None:
    """Only a key named for this site and this unit can become the unit's key."""
    with pytest.raises(EnrolmentFault):
        enrol_unit(pharmacy.db, SITE, "neb-0001", Vkey(name, ED25519, b"\x05" * 32), NOW_NS)


def test_a_units_key_cannot_be_swapped(pharmacy: Any, unit: Any) -> None:
    """Enrolling the same key again is harmless; another key for the same epoch is refused."""
    enrol_unit(pharmacy.db, SITE, "neb-0001", unit.vkey, NOW_NS)
    with pytest.raises(EnrolmentFault, match="another key"):
        enrol_unit(pharmacy.db, SITE, "neb-0001", Vkey(unit.vkey.name, ED25519, b"\x05" * 32), NOW_NS)
