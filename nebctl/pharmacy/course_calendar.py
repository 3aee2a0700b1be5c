"""A subject's calendar: doses as planned and as they came, assessments, and the end of the follow-up."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from nebctl.core.calendar import date_of, follow_up_end, sdtm_day, study_day
from nebctl.pharmacy.books import Rulebook
from nebctl.pharmacy.dates import day1_of, first_delivered
from nebctl.pharmacy.faults import PharmacyFault

PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarLine:
    """What falls on a study day; `on` and `sdtm_day` None mean that Day 1 is not known. `state` "" means none is kept.

    `day` counts Day 1 as 1 and the day before as 0; `sdtm_day` has no zero.
    """

    day: int
    sdtm_day: int | None
    on: date | None
    what: str
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseCalendar:
    """All lines in order; `first_delivered` None means that nothing was given, and the end of follow-up is planned."""

    subject: str
    first_delivered: date | None
    follow_up_end: date | None
    lines: tuple[CalendarLine, ...]


def calendar_of(db: sqlite3.Connection, subject: str, book: Rulebook) -> CourseCalendar:
    """Return a subject's calendar.

    Raises: `PharmacyFault` where the subject is not enrolled.
    """
    if db.execute("SELECT 1 FROM subject WHERE subject = ?", (subject,)).fetchone() is None:
        raise PharmacyFault(f"subject {subject}", "an enrolled subject", "Check the pseudonym.")
    day1, first = day1_of(db, subject), first_delivered(db, subject)
    begin = first or day1
    end = follow_up_end(begin, book.follow_up) if begin else None
    lines = [*_doses(db, subject, day1), *_assessments(book, day1), *_end(end, day1, sure=first is not None)]
    return CourseCalendar(
        subject=subject,
        first_delivered=first,
        follow_up_end=end,
        lines=tuple(sorted(lines, key=lambda line: line.day)),
    )


def _doses(db: sqlite3.Connection, subject: str, day1: date | None) -> Iterator[CalendarLine]:
    query = (
        "SELECT day, dose, COALESCE(s.state, o.state, ?) FROM ordered LEFT JOIN outcome o USING (subject, day, dose)"
        " LEFT JOIN settled s ON (s.unit, s.ep, s.seq) = (o.unit, o.ep, o.seq) WHERE subject = ? ORDER BY day, dose"
    )
    for day, dose, state in db.execute(query, (PLANNED, subject)):
        yield _line(day, day1, f"dose {dose}", state)


def _assessments(book: Rulebook, day1: date | None) -> Iterator[CalendarLine]:
    for day in book.follow_up.assessments:
        yield _line(day, day1, "baseline assessment" if day == 0 else "assessment")


def _end(end: date | None, day1: date | None, *, sure: bool) -> Iterator[CalendarLine]:
    if end and day1:
        yield _line(study_day(day1, end), day1, "end of follow-up", "" if sure else PLANNED)


def _line(day: int, day1: date | None, what: str, state: str = "") -> CalendarLine:
    on = date_of(day1, day) if day1 else None
    return CalendarLine(day=day, sdtm_day=sdtm_day(day1, on) if day1 and on else None, on=on, what=what, state=state)
