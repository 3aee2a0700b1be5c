"""The day judged by the pharmacy's clock: doses that are late, and doses that were missed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from nebctl.core.calendar import date_of
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.core.orders import DoseState
from nebctl.pharmacy import log
from nebctl.pharmacy.books import ROLES, Books, Sign
from nebctl.pharmacy.dates import day1_of
from nebctl.pharmacy.faults import PharmacyFault


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDose:
    """An ordered dose that nothing came of, on the date of its study day; `kit` None means that it has none yet."""

    subject: str
    day: int
    dose: int
    unit: str
    kit: str | None
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A dose to be raised: `missed` once its day has ended, else late."""

    dose: OpenDose
    missed: bool

    def sentence(self) -> str:
        """Return what is raised as one line."""
        said = "was missed" if self.missed else "is late"
        where = f"{self.dose.unit}, kit {self.dose.kit or 'none'}"
        return f"{self.dose.subject} day {self.dose.day} dose {self.dose.dose} of {self.dose.on} {said} ({where})"


def open_doses(db: sqlite3.Connection, subject: str | None = None) -> tuple[OpenDose, ...]:
    """Return the ordered doses that nothing came of, where their dates are known; None means of all subjects."""
    query = (
        "SELECT subject, day, dose, unit, kit FROM ordered WHERE (?1 IS NULL OR subject = ?1) AND NOT EXISTS"
        " (SELECT 1 FROM outcome o WHERE (o.subject, o.day, o.dose) = (ordered.subject, ordered.day, ordered.dose))"
        " ORDER BY subject, day, dose"
    )
    rows = db.execute(query, (subject,)).fetchall()
    days1 = {name: day1_of(db, name) for name in {row[0] for row in rows}}
    return tuple(
        OpenDose(subject=name, day=day, dose=dose, unit=unit, kit=kit, on=date_of(day1, day))
        for name, day, dose, unit, kit in rows
        if (day1 := days1[name]) is not None
    )


def overdue(books: Books) -> tuple[Overdue, ...]:
    """Return the doses that are to be raised now and were not before."""
    here = datetime.fromtimestamp(books.at.wall_ns // NS_PER_S, books.zone)
    raised = set(books.db.execute("SELECT subject, day, dose FROM late"))
    late_after = books.book.rules.window_end
    found = []
    for dose in open_doses(books.db):
        missed = datetime.combine(dose.on + timedelta(days=1), time(), books.zone) <= here
        late = late_after is not None and dose.on == here.date() and here.time() > late_after
        if missed or (late and (dose.subject, dose.day, dose.dose) not in raised):
            found.append(Overdue(dose=dose, missed=missed))
    return tuple(found)


def raise_overdue(books: Books, found: Sequence[Overdue]) -> None:
    """Record each dose as missed or as late, as a signed record; one that an outcome came for meanwhile is left out."""
    with books.change() as sign:
        still = set(open_doses(books.db))
        for each in found:
            if each.dose in still:
                _raise(books, sign, each)


def _raise(books: Books, sign: Sign, found: Overdue) -> None:
    dose = found.dose
    if found.missed:
        _end(books, sign, dose, DoseState.MISSED, {}, {})
        return
    facts: dict[str, Json] = {"kind": "dose-late", "dose": dose.dose, "for_unit": dose.unit, "kit": dose.kit}
    seq = sign(Draft(typ="incident", facts=facts, private={"subject": dose.subject}, session=_day(books, dose)))
    values = (dose.subject, dose.day, dose.dose, seq)
    books.db.execute("INSERT INTO late (subject, day, dose, log_seq) VALUES (?, ?, ?, ?)", values)


def note_not_done(books: Books, subject: str, day: int, dose: int, reason: str, text: str, by: str) -> None:
    """Record that an ordered dose was not done, and why: one of the reasons in `core.codes`.

    Raises: `PharmacyFault` where the dose is not ordered, has an outcome, or its day is not known.
    """
    books.person(by, *ROLES)
    with books.change() as sign:
        found = next((d for d in open_doses(books.db, subject) if (d.day, d.dose) == (day, dose)), None)
        if found is None:
            raise PharmacyFault(f"day {day} dose {dose} of {subject}", _OPEN, _LOOK)
        _end(books, sign, found, DoseState.NOT_DONE, {"reason": reason}, {"operator": by, **_text(text)})


_OPEN = "an ordered dose that nothing came of yet"
_LOOK = "Look at the course: nebctl pharmacy calendar."


def _text(text: str) -> dict[str, str]:
    return {"text": text} if text else {}


def _end(
    books: Books, sign: Sign, dose: OpenDose, state: DoseState, facts: dict[str, str], private: dict[str, str]
) -> None:
    """Record how an ordered dose ended without a session, in the log and among the outcomes."""
    place = _day(books, dose)
    heard = books.db.execute("SELECT last_seen FROM unit WHERE unit = ?", (dose.unit,)).fetchone()
    said = {"dose": dose.dose, "for_unit": dose.unit, "kit": dose.kit, "last_heard": heard[0] if heard else None}
    draft = Draft(typ=state.value, facts={**said, **facts}, private={"subject": dose.subject, **private}, session=place)
    values = (log.UNIT, log.EPOCH, sign(draft), dose.subject, dose.day, dose.dose, place.session, state.value)
    insert = "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
    books.db.execute(insert, (*values, place.date_local))
    books.renew_worklists(dose.unit)


def _day(books: Books, dose: OpenDose) -> SessionDay:
    session = f"{dose.on.isoformat()}-{books.log.random(3).hex()}"
    return SessionDay(session=session, day=dose.day, tz=books.zone.key, date_local=dose.on.isoformat())


def correct_contradicted(books: Books) -> tuple[str, ...]:
    """Withdraw what the pharmacy said of doses whose record came later, and return those as sentences.

    What it said stays in its log; a `correction` names it and the record that stands instead.
    """
    query = (
        "SELECT m.seq, m.subject, m.day, m.dose, m.state, o.unit, o.ep, o.seq FROM outcome m"
        " JOIN outcome o USING (subject, day, dose) WHERE m.unit = ?1 AND o.unit != ?1 GROUP BY m.seq"
    )
    rows = books.db.execute(query, (log.UNIT,)).fetchall()
    if not rows:
        return ()
    with books.change() as sign:
        for row in rows:
            _correct(books, sign, *row)
    return tuple(
        f"{subject} day {day} dose {dose} was called {state}, but {unit} record {seq} tells of it: the record stands"
        for _, subject, day, dose, state, unit, _, seq in rows
    )


def _correct(
    books: Books, sign: Sign, said: int, subject: str, _day: int, _dose: int, state: str, unit: str, ep: int, seq: int
) -> None:
    (leaf,) = books.db.execute("SELECT leaf FROM rec WHERE (unit, ep, seq) = (?, ?, ?)", (unit, ep, seq)).fetchone()
    stands: dict[str, Json] = {"unit": unit, "ep": ep, "seq": seq, "leaf": leaf.hex()}
    ref: dict[str, Json] = {"unit": log.UNIT, "ep": log.EPOCH, "seq": said}
    facts: dict[str, Json] = {"ref": ref, "withdrawn": state, "stands": stands}
    sign(Draft(typ="correction", facts=facts, private={"subject": subject}))
    books.db.execute("DELETE FROM outcome WHERE unit = ? AND seq = ?", (log.UNIT, said))
