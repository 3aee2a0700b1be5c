"""Every ordered dose ends in exactly one way, whatever came, in whatever order, however late."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.pharmacy.cut import entries_of, newest_cut
from nebctl.pharmacy.export import TYPES, table
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.judging import correct_contradicted, note_not_done, overdue, raise_overdue
from nebctl.pharmacy.log import entries
from nebctl.pharmacy.show import course_of

DAYS = range(1, 6)
FINAL = {"complete", "partial", "stopped", "uncertain", "missed", "notdone"}
happenings = st.lists(
    st.tuples(
        st.sampled_from(("dose", "abort", "notdone", "judge")),
        st.integers(1, 5),
        st.sampled_from(("complete", "partial", "stopped", "uncertain")),
        st.integers(0, 130),
    ),
    max_size=12,
)


def abort(unit: Any, day: int) -> bytes:
    """Return the record of an attempt whose device was never commanded."""
    place = SessionDay(session=f"2026-02-{13 + day}-0000ab", day=day, tz="UTC", date_local=f"2026-02-{13 + day}")
    facts = {"auth": "0" * 8, "dose": 1, "kit": f"KIT-040{day}", "lot": "EXO2020A", "reason": "expired"}
    return unit.write(
        Draft(typ="abort", facts=facts, private={"subject": "MEX-001", "operator": "RT-07"}, session=place)
    )


def happen(pharmacy: Any, unit: Any, given_days: set[int], what: tuple[str, int, str, int]) -> None:
    """Let one thing happen: a record comes in, a person says something, or the pharmacy looks at its clock."""
    kind, day, end, hours = what
    if kind == "dose" and day not in given_days:  # a second one is refused at the unit (S02)
        given_days.add(day)
        pharmacy.take(unit.dose(day, end=end))
    elif kind == "abort":
        pharmacy.take(abort(unit, day))
    elif kind == "notdone":
        try:
            note_not_done(pharmacy.books, "MEX-001", day, 1, "subject-declined", "", "RT-07")
        except PharmacyFault:
            return  # it has an end already
    elif kind == "judge":
        judge(pharmacy.at(hours))


def judge(books: Any) -> None:
    """Do what the service does at each look at its clock."""
    correct_contradicted(books)
    raise_overdue(books, overdue(books))


@pytest.mark.req("S53")
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(happened=happenings)
def test_every_ordered_dose_ends_in_exactly_one_way(
    happened: list[tuple[str, int, str, int]], make_pharmacy: Any, tmp_path_factory: Any, unit: Any
) -> None:
    """After the course each ordered dose has one outcome, `missed` or `notdone`: in the course, and in the export."""
    pharmacy, unit, given_days = make_pharmacy(tmp_path_factory.mktemp("any")), type(unit)(), set[int]()
    for what in happened:
        happen(pharmacy, unit, given_days, what)
    judge(pharmacy.at(24 * 12))  # Day 1 is the day of the first dose, so a course may end some days later
    assert overdue(pharmacy.at(24 * 12)) == ()
    sheet = course_of(pharmacy.db, "MEX-001", entries(pharmacy.books.log.path))
    ends = Counter((line.day, line.dose) for line in sheet.lines if line.end in FINAL)
    assert ends == {(day, 1): 1 for day in DAYS}
    assert {line.day for line in sheet.lines if line.emitted} == given_days
    pharmacy.receipt()
    database = pharmacy.books.log.path.with_name("pharmacy.db")
    cut = newest_cut(database)
    rows = table(cut, entries_of(database, cut, TYPES))
    assert Counter((row["day"], row["dose"]) for row in rows if row["end"] != "aborted") == ends
    assert {row["end"] for row in rows} <= FINAL | {"aborted"}


@pytest.mark.req("S53")
def test_a_day_that_is_not_over_leaves_its_dose_open(pharmacy: Any, unit: Any) -> None:
    """An abort ends an attempt and not the dose: it stays open until its day is over, and is missed then."""
    pharmacy.take(abort(unit, 1))
    evening = pharmacy.at(13)
    judge(evening)
    assert [each.dose.day for each in overdue(replace(evening, at=pharmacy.at(15).at))] == [1]
