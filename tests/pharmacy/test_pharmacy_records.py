"""What the pharmacy's own log holds of a whole course is what the schemas of its records say."""

from dataclasses import replace
from datetime import date, time
from typing import Any

from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.regimen import SiteRules
from nebctl.pharmacy import events, judging, moving, stock
from nebctl.pharmacy.books import Rulebook
from nebctl.pharmacy.enrolment import enrol_unit_by
from nebctl.pharmacy.events import AdverseEvent, Settlement
from nebctl.pharmacy.log import entries


def test_every_record_of_the_pharmacy_is_what_its_schema_says(pharmacy: Any, unit: Any, schemas: Any) -> None:
    """Each change that a person or the service can make leaves a record that fits, private facts among it."""
    books = pharmacy.books
    doubtful = {"low_nl": 0, "best_nl": 1_500_000, "high_nl": 3_000_000, "verdict": "UNCERTAIN"}
    pharmacy.take(unit.dose(1, end="uncertain", **doubtful))
    settled = Settlement(
        session="2026-02-14-0000aa", low_nl=10, high_nl=20, reason="weighed again", by="PH-01", second="PI-01"
    )
    events.settle(books, settled)
    adverse = AdverseEvent(
        subject="MEX-001",
        on=date(2026, 2, 14),
        grade="2",
        relation="possible",
        action="none",
        text="cough",
        by="PI-01",
    )
    events.add_adverse(books, adverse)
    judging.note_not_done(books, "MEX-001", 2, 1, "subject-declined", "asked twice", "RT-07")
    stock.thaw(books, "KIT-0403", "PH-01")
    stock.change_kits(books, ["KIT-0405"], KitState.RETURNED, "PH-01", "not needed")
    stock.change_lot(books, "EXO2020A", LotState.RECALLED, "PH-01", "letter of the maker")
    judging.raise_overdue(pharmacy.at(70), judging.overdue(pharmacy.at(70)))
    pharmacy.take(
        unit.write(
            Draft(
                typ="dose",
                facts={"kit": "KIT-0403", "dose": 1, "end": "complete"},
                private={"subject": "MEX-001"},
                session=SessionDay(session="2026-02-16-0000ab", day=3, tz="UTC", date_local="2026-02-16"),
            )
        )
    )
    judging.correct_contradicted(pharmacy.at(80))
    own = entries(books.log.path)
    assert [fault for entry in own for fault in schemas.of_entry(entry)] == []
    seen = {str(entry.payload["typ"]) for entry in own}
    assert seen >= {"genesis", "lot", "kit", "enrolment", "order", "correction", "adverse", "notdone", "missed"}


def test_a_late_dose_a_moved_lease_and_an_enrolled_key_fit(pharmacy: Any, unit: Any, schemas: Any) -> None:
    """The rarer records of the pharmacy fit too."""

    books = pharmacy.books
    enrol_unit_by(books, "neb-0002", type(unit)(unit="neb-0002").vkey, "PH-01")
    rules = SiteRules(window_start=time(8), window_end=time(9))
    late = replace(books, book=Rulebook(regimen=books.book.regimen, follow_up=books.book.follow_up, rules=rules))
    judging.raise_overdue(late, judging.overdue(late))
    ended = replace(books, at=replace(books.at, wall_ns=books.at.wall_ns + books.lease_ns + moving.CLOCKS_NS))
    pharmacy.db.execute(
        "UPDATE subject SET day1 = '2026-04-14'"
    )  # its days are still to come when the leases have ended
    moving.move(ended, moving.Move(subject="MEX-001", unit="neb-0002", by="PH-01", reason="x"))
    own = entries(books.log.path)
    assert [fault for entry in own for fault in schemas.of_entry(entry)] == []
    assert {str(entry.payload["typ"]) for entry in own} >= {"key", "incident", "order"}
