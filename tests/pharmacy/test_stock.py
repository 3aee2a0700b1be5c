"""Stock: illegal steps are refused, every kit of a lot is accounted for, and the tables keep the records' guards."""

import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Draft
from nebctl.core.regimen import SiteRules
from nebctl.pharmacy import stock, tables
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.log import entries
from nebctl.pharmacy.stock_sheet import lot_sheet

HOUR_NS = 3600 * 10**9


def another(pharmacy: Any, *kits: str, expires: date = date(2026, 12, 31)) -> Any:
    """Return the books with MEX-002 enrolled, and further kits released."""
    books = pharmacy.books
    enrol_subject(
        books, Enrolment(subject="MEX-002", day1=date(2026, 2, 14), unit="neb-0001", by="PH-01", second="PH-02")
    )
    stock.import_kits(books, [stock.NewKit(kit=kit, lot="EXO2020A", expires=expires) for kit in kits], "PH-01")
    stock.change_kits(books, kits, KitState.RELEASED, "PH-01", "checked")
    return books


def give(books: Any, kit: str) -> None:
    """Dispense a kit to Day 1 of MEX-002."""
    dispense(books, Dispensing(subject="MEX-002", day=1, dose=1, kits=(kit,), by="PH-01"))


@pytest.mark.req("S10")
@pytest.mark.parametrize("to", [LotState.QUARANTINED, LotState.RECALLED])
def test_a_kit_of_a_lot_that_is_held_back_is_not_dispensed(pharmacy: Any, to: LotState) -> None:
    """A released kit of a lot in quarantine or recalled stays where it is."""
    books = another(pharmacy, "KIT-0501")
    stock.change_lot(books, "EXO2020A", to, "PH-01", "freezer")
    with pytest.raises(PharmacyFault, match=to.value):
        give(books, "KIT-0501")
    assert stock.kit_of(pharmacy.db, "KIT-0501").state is KitState.RELEASED


@pytest.mark.req("S10")
def test_an_expired_or_quarantined_kit_is_not_dispensed(pharmacy: Any) -> None:
    """A kit that expires before the day of its dose, or is in quarantine, is refused; its last day still counts."""
    books = another(pharmacy, "KIT-0501", expires=date(2026, 2, 13))
    with pytest.raises(PharmacyFault, match="an expiry on 2026-02-14 or later"):
        give(books, "KIT-0501")
    stock.import_kits(books, [stock.NewKit(kit="KIT-0502", lot="EXO2020A", expires=date(2026, 2, 14))], "PH-01")
    with pytest.raises(PharmacyFault, match="QUARANTINED"):
        give(books, "KIT-0502")
    stock.change_kits(books, ("KIT-0502",), KitState.RELEASED, "PH-01", "checked")
    give(books, "KIT-0502")


def test_dispensing_is_all_or_nothing(pharmacy: Any) -> None:
    """Where the second of two kits cannot be dispensed, the first is not either, and neither is signed for."""
    books = another(pharmacy, "KIT-0501")
    signed = entries(books.log.path)
    with pytest.raises(PharmacyFault, match="a known kit"):
        dispense(books, Dispensing(subject="MEX-002", day=1, dose=1, kits=("KIT-0501", "KIT-0777"), by="PH-01"))
    assert stock.kit_of(pharmacy.db, "KIT-0501").state is KitState.RELEASED
    assert pharmacy.rows("SELECT count(*) FROM ordered WHERE subject = 'MEX-002' AND kit IS NOT NULL") == [(0,)]
    assert entries(books.log.path) == signed


def test_an_event_whose_change_was_lost_is_told(pharmacy: Any) -> None:
    """After a crash between the signature and the tables, the next change names the event that had no effect."""
    lost = len(entries(pharmacy.books.log.path))
    before = pharmacy.rows("SELECT size FROM applied")
    stock.add_lot(pharmacy.books, "EXO2020B", "PH-01")
    pharmacy.db.execute("DELETE FROM lot WHERE lot = 'EXO2020B'")  # as if the tables had not been committed
    pharmacy.db.execute("UPDATE applied SET size = ?", before[0])
    stock.add_lot(pharmacy.books, "EXO2020B", "PH-01")
    [said] = pharmacy.said("incident")
    assert (said["kind"], said["first_seq"], said["last_seq"]) == ("events-without-change", lost, lost)
    stock.add_lot(pharmacy.books, "EXO2020C", "PH-01")
    assert len(pharmacy.said("incident")) == 1


def test_a_kit_that_broke_makes_way_for_another(pharmacy: Any) -> None:
    """The dose of a dispensed kit that is damaged or returned gets another kit; one that was given keeps its own."""
    books = another(pharmacy, "KIT-0501", "KIT-0502")
    give(books, "KIT-0501")
    with pytest.raises(PharmacyFault, match="leased to neb-0001 with kit KIT-0501"):
        give(books, "KIT-0502")
    stock.change_kits(books, ("KIT-0501",), KitState.DAMAGED, "PH-01", "dropped")
    give(books, "KIT-0502")
    assert pharmacy.rows("SELECT kit FROM ordered WHERE subject = 'MEX-002' AND day = 1") == [("KIT-0502",)]


@pytest.mark.req("S02")
def test_a_kit_that_was_opened_frees_no_dose(pharmacy: Any, unit: Any) -> None:
    """While it is not known what came of an opened kit, its dose gets no other, whatever becomes of the kit."""
    pharmacy.take(unit.write(Draft(typ="start", facts={"kit": "KIT-0401"})))
    stock.change_kits(pharmacy.books, ("KIT-0401",), KitState.DAMAGED, "PH-01", "dropped")
    assert pharmacy.rows("SELECT kit FROM ordered WHERE subject = 'MEX-001' AND day = 1") == [("KIT-0401",)]


@pytest.mark.req("S10")
def test_a_kit_that_was_given_stays_with_its_dose(pharmacy: Any, unit: Any) -> None:
    """A kit whose dose ended is destroyed without its dose becoming free again."""
    pharmacy.take(unit.dose(1))
    stock.change_kits(pharmacy.books, ("KIT-0401",), KitState.DESTROYED, "PH-01", "waste")
    assert pharmacy.rows("SELECT kit FROM ordered WHERE subject = 'MEX-001' AND day = 1") == [("KIT-0401",)]


@pytest.mark.req("S10")
def test_an_illegal_step_says_what_can_happen(pharmacy: Any) -> None:
    """A dispensed kit is not released again, and the refusal lists the steps that there are."""
    with pytest.raises(PharmacyFault, match="DISPENSED, to become RELEASED, expected a step to AT-BEDSIDE, OPENED"):
        stock.change_kits(pharmacy.books, ("KIT-0401",), KitState.RELEASED, "PH-01", "")


def test_only_a_pharmacist_moves_stock(pharmacy: Any) -> None:
    """A therapist adds no lot and moves no kit."""
    with pytest.raises(PharmacyFault, match="a pharmacist"):
        stock.add_lot(pharmacy.books, "EXO2020B", "RT-07")
    with pytest.raises(PharmacyFault, match="a pharmacist"):
        stock.change_kits(pharmacy.books, ("KIT-0401",), KitState.RETURNED, "RT-07", "")


@pytest.mark.req("S11")
def test_a_thaw_sets_until_when_a_kit_may_be_used(pharmacy: Any) -> None:
    """Where the site sets a time from thaw to use, the thaw fixes the end of it, in the log and for the unit."""
    book = replace(pharmacy.books.book, rules=SiteRules(in_use_ns=4 * HOUR_NS))
    books = replace(pharmacy.books, book=book)
    until = utc_text(books.at.wall_ns + 4 * HOUR_NS)
    assert stock.thaw(books, "KIT-0401", "PH-01") == until
    assert pharmacy.said("kit")[-1]["use_by"] == until
    assert stock.thaw(pharmacy.books, "KIT-0402", "PH-01") is None


_K = KitState
STEPS = (_K.QUARANTINED, _K.RELEASED, _K.RETURNED, _K.DAMAGED, _K.LOST, _K.DESTROYED)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(STEPS)), max_size=6), given_days=st.integers(0, 5))
def test_every_kit_of_a_lot_is_accounted_for(
    steps: list[tuple[int, KitState]], given_days: int, tmp_path_factory: Any, unit: Any, make_pharmacy: Any
) -> None:
    """Received = the sum over all states, whatever doses are given and whatever steps are tried."""
    pharmacy = make_pharmacy(tmp_path_factory.mktemp("lot"))
    fresh = type(unit)()
    for day in range(1, given_days + 1):
        pharmacy.take(fresh.dose(day, end="partial" if day % 2 else "complete"))
    for number, to in steps:
        try:
            stock.change_kits(pharmacy.books, (f"KIT-040{number + 1}",), to, "PH-01", "tried")
        except PharmacyFault:
            continue
    sheet = lot_sheet(pharmacy.db, "EXO2020A", entries(pharmacy.books.log.path))
    assert (sheet.received, sum(sheet.kits.values()), sheet.balanced) == (5, 5, True)


def test_a_kit_that_vanishes_from_the_table_is_found(pharmacy: Any) -> None:
    """The account is held against the signed log: a row that was deleted does not balance."""
    pharmacy.db.execute("UPDATE ordered SET kit = NULL WHERE kit = 'KIT-0405'")
    pharmacy.db.execute("DELETE FROM kit WHERE kit = 'KIT-0405'")
    assert not lot_sheet(pharmacy.db, "EXO2020A", entries(pharmacy.books.log.path)).balanced


def test_the_guards_of_the_records_outlive_every_migration(tmp_path: Path) -> None:
    """After the migrations, also a second time, the records' triggers stand and each migration is noted once."""
    db = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    tables.prepare(db)
    tables.prepare(db)
    triggers = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    noted = [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations ORDER BY name")]
    db.close()
    assert triggers == {"rec_no_update", "rec_no_delete", "rec_next"}
    assert noted == [
        *("erasures", "identities", "judgements", "kit_codes", "lease_sequences", "log_position"),
        *("operators", "orders"),
    ]
