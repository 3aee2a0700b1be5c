"""Leases that go from one unit to another: never while the old one may still start by them (S50)."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.kits import KitState
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft
from nebctl.core.orders import Worklist, parse_worklist
from nebctl.core.returned import Returned
from nebctl.pharmacy import stock
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.moving import CLOCKS_NS, Move, move
from nebctl.pharmacy.orders import renew_worklists
from nebctl.pins import PinKey

from .orders_desk import DESK, ORDERS, SITE

NOW_NS = 1_771_063_200_000_000_000
KEY = PinKey(b"\x07" * 32)
LEASE_HOURS = 30 * 24

pytestmark = pytest.mark.req("S50")


@pytest.fixture
def two_units(pharmacy: Any) -> Any:
    """Return a pharmacy that has enrolled neb-0002 as well."""
    enrol_unit(pharmacy.db, SITE, "neb-0002", Vkey(f"{SITE}/nebctl/neb-0002/1", ED25519, b"\x05" * 32), NOW_NS)
    return pharmacy


def code(sequence: int = 5, last_day: int = 0, unit: str = "neb-0001", subject: str = "MEX-001") -> str:
    """Return what a unit shows once it has given a subject's doses back."""
    return KEY.return_code(unit, Returned(subject=subject, sequence=sequence, last_day=last_day))


def wish(**changed: Any) -> Move:
    """Return the wish to move MEX-001 to neb-0002, with what the test changes."""
    return Move(**{"subject": "MEX-001", "unit": "neb-0002", "by": "PH-01", "reason": "broken", **changed})


def read(**changed: Any) -> Move:
    """Return the wish as two persons who read the code from the screen bring it."""
    return wish(**{"code": code(), "readers": ("RT-07", "PH-02"), "code_of": KEY.return_code, **changed})


def held(pharmacy: Any) -> dict[int, str]:
    """Return which unit each day is leased to."""
    return dict(pharmacy.rows("SELECT day, unit FROM ordered ORDER BY day"))


def lists(pharmacy: Any) -> dict[str, Worklist]:
    """Return the newest list of each unit, as the unit reads it."""
    notes = renew_worklists(pharmacy.db, DESK, NOW_NS)
    found = {unit: parse_worklist(notes[unit], ORDERS, SITE, unit, keys.verify) for unit in notes}
    return {unit: worklist for unit, worklist in found.items() if isinstance(worklist, Worklist)}


def given_back(sequence: int = 5, last_day: int = 0) -> Draft:
    """Return the unit's own record that it has given MEX-001's doses back."""
    return Returned(subject="MEX-001", sequence=sequence, last_day=last_day).record("RT-07")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (wish(), "a record of neb-0001, or a code read from its screen"),
        (wish(readers=("RT-07", "PH-02"), code_of=KEY.return_code), "what neb-0001 shows"),
        (read(readers=None), "two persons who read the screen"),
        (read(readers=("RT-07", "RT-07")), "two different persons"),
        (read(readers=("RT-07", "XX-99")), "staff code XX-99"),
        (read(code_of=None), "without a PIN key"),
        (read(code="5-0-1234567"), "as 5-1-12345678"),
        (read(code="5-0-00000000"), "the one that neb-0001 shows for MEX-001"),
        (read(code=code(unit="neb-0003")), "the one that neb-0001 shows for MEX-001"),
        (read(code=code(subject="MEX-002")), "the one that neb-0001 shows for MEX-001"),
        (read(code=code(last_day=2).replace("5-2-", "5-0-")), "the one that neb-0001 shows for MEX-001"),
        (read(code=code(sequence=4)), "lease 4 given back, and lease 5"),
        (read(unit="neb-0009"), "enrolled unit"),
        (read(subject="MEX-404"), "enrolled subject"),
    ],
)
def test_no_lease_moves_that_was_not_let_go(two_units: Any, asked: Move, words: str) -> None:
    """Without the old unit's record, a code from its screen that two persons read, or the leases' end: no move."""
    with pytest.raises(PharmacyFault, match=words):
        move(two_units.books, asked)
    assert set(held(two_units).values()) == {"neb-0001"}
    assert [said for said in two_units.said("order") if said["event"] == "lease-moved"] == []


def test_a_lease_moves_whole_by_the_code_that_two_persons_read(two_units: Any, unit: Any) -> None:
    """Open doses move under a later lease; the old unit's list then names the new one as holder, and its lease."""
    two_units.take(unit.dose(1))
    assert move(two_units.books, read(code=code(last_day=1))) == 4
    both = lists(two_units)
    old, new = both["neb-0001"], both["neb-0002"]
    assert [dose.kit for order in old.orders for dose in order.doses] == []
    assert [(dose.day, dose.sequence) for order in new.orders for dose in order.doses] == [(n, 6) for n in (2, 3, 4, 5)]
    assert [(kit.held_by, kit.dose, kit.sequence) for kit in old.kits[1:]] == [("neb-0002", 1, 6)] * 4
    assert old.held_elsewhere("MEX-001") == "neb-0002"
    assert [h.unit for h in new.orders[0].history] == ["neb-0001"]
    said = two_units.said("order")[-1]
    assert (said["basis"], said["sequence"], said["from_day"]) == ("screen-read", 6, 2)
    assert (said["reader"], said["second"]) == ("RT-07", "PH-02")


def test_what_the_old_unit_may_have_begun_unheard_stays_there(two_units: Any) -> None:
    """Day 1 was begun there by the code, and no record of it is here: it counts as given, and no unit gets it."""
    assert move(two_units.books, read(code=code(last_day=1))) == 4
    assert held(two_units) == {1: "neb-0001", **dict.fromkeys((2, 3, 4, 5), "neb-0002")}
    with pytest.raises(PharmacyFault, match="a dose without a kit"):
        dispense(two_units.books, Dispensing(subject="MEX-001", day=1, dose=1, kits=("KIT-0402",), by="PH-01"))


def test_a_course_that_was_begun_to_its_last_day_moves_nowhere(two_units: Any) -> None:
    """Where the old unit may have begun every open dose, nothing is left to move."""
    with pytest.raises(PharmacyFault, match="cannot have begun"):
        move(two_units.books, read(code=code(last_day=5)))
    assert set(held(two_units).values()) == {"neb-0001"}


def test_the_units_own_record_is_enough(two_units: Any, unit: Any) -> None:
    """A receipted record that the doses were given back lets them go, without anybody who read a screen."""
    two_units.take(unit.dose(1))
    two_units.take(unit.write(given_back(last_day=1)))
    assert move(two_units.books, wish()) == 4
    assert two_units.said("order")[-1]["basis"] == "receipted"


def test_a_record_of_an_older_lease_is_not_enough(two_units: Any, unit: Any) -> None:
    """What was dispensed after the return is a lease of its own, which the unit has not given back."""
    two_units.take(unit.write(given_back(sequence=4)))
    with pytest.raises(PharmacyFault, match="leased to neb-0001 until"):
        move(two_units.books, wish())


def test_moved_there_and_back_the_first_return_counts_no_more(two_units: Any, unit: Any) -> None:
    """A unit that gets the doses again holds a later lease, which it has to give back anew."""
    two_units.take(unit.write(given_back()))
    move(two_units.books, wish())
    away = read(unit="neb-0001", code=code(sequence=6, unit="neb-0002"))
    assert move(two_units.books, away) == 5
    assert two_units.rows("SELECT DISTINCT sequence FROM ordered") == [(7,)]
    with pytest.raises(PharmacyFault, match="leased to neb-0001 until"):
        move(two_units.books, wish())


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_unit_that_nobody_hears_or_reads_is_waited_for(two_units: Any, seconds: int) -> None:
    """Until its leases have ended, by the worse of both clocks, nothing moves; then the doses of days to come do."""
    two_units.db.execute("UPDATE subject SET day1 = '2026-03-15'")  # Day 3 is in the morning after the leases' end
    late = two_units.at(LEASE_HOURS)
    wall_ns = late.at.wall_ns + CLOCKS_NS + seconds * 10**9
    books = replace(late, at=replace(late.at, wall_ns=wall_ns))
    if seconds < 0:
        with pytest.raises(PharmacyFault, match="leased to neb-0001 until"):
            move(books, wish())
        return
    assert move(books, wish()) == 3
    assert held(two_units) == {1: "neb-0001", 2: "neb-0001", **dict.fromkeys((3, 4, 5), "neb-0002")}
    assert two_units.said("order")[-1]["basis"] == "lease-ended"


@pytest.mark.parametrize("to", [KitState.RETURNED, KitState.LOST, KitState.DAMAGED])
def test_a_kit_that_came_away_does_not_end_its_lease(two_units: Any, to: KitState) -> None:
    """A unit that was not heard since may still start by the list that names it: the lease is not let go for that."""
    stock.change_kits(two_units.books, [f"KIT-040{n}" for n in range(1, 6)], to, "PH-01", "x")
    assert two_units.rows("SELECT DISTINCT kit FROM ordered") == [(None,)]
    with pytest.raises(PharmacyFault, match="leased to neb-0001 until"):
        move(two_units.books, wish())


def test_what_was_never_leased_moves_freely(two_units: Any) -> None:
    """A subject without a kit is on no unit's list: nothing has to be given back."""
    enrolment = Enrolment(subject="MEX-002", day1=date(2026, 2, 14), unit="neb-0001", by="PH-01", second="PH-02")
    enrol_subject(two_units.books, enrolment)
    assert move(two_units.books, wish(subject="MEX-002")) == 5


def test_each_lease_of_a_subject_has_a_number_of_its_own_and_none_comes_twice(two_units: Any, unit: Any) -> None:
    """Kits that are exchanged, doses that are given, courses that move: the number only rises."""
    stock.change_kits(two_units.books, ["KIT-0405"], KitState.DAMAGED, "PH-01", "x")
    stock.import_kits(
        two_units.books, [stock.NewKit(kit="KIT-0406", lot="EXO2020A", expires=date(2026, 12, 31))], "PH-01"
    )
    stock.change_kits(two_units.books, ["KIT-0406"], KitState.RELEASED, "PH-01", "x")
    dispense(two_units.books, Dispensing(subject="MEX-001", day=5, dose=1, kits=("KIT-0406",), by="PH-01"))
    two_units.take(unit.write(given_back(sequence=6)))
    move(two_units.books, wish())
    numbers = [said["sequence"] for said in two_units.said("order") if "sequence" in said]
    assert numbers == [1, 2, 3, 4, 5, 6, 7]
