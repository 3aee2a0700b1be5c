"""Leases: one kit for one dose of one subject at exactly one unit."""

import sqlite3
from dataclasses import dataclass

from nebctl.core.calendar import date_of
from nebctl.core.kits import KitState
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import INVESTIGATOR, PHARMACIST
from nebctl.pharmacy import stock
from nebctl.pharmacy.books import Books, Sign
from nebctl.pharmacy.dates import day1_of
from nebctl.pharmacy.faults import PharmacyFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispensing:
    """Kits for a subject's consecutive doses, the first of them the dose `dose` of study day `day`."""

    subject: str
    day: int
    dose: int
    kits: tuple[str, ...]
    by: str


def dispense(books: Books, wish: Dispensing) -> None:
    """Dispense kits to a subject's doses and lease each to the subject's unit, all or none.

    Raises: `PharmacyFault` where a kit may not be given on its day, or a dose has a kit or an outcome already.
    """
    books.person(wish.by, PHARMACIST)
    with books.change() as sign:
        places = _places(books.db, wish)
        for name, (day, dose, unit) in zip(wish.kits, places, strict=True):
            _refuse_ended(books.db, wish.subject, day, dose)
            _lease(books, sign, wish, name, (day, dose, unit))
        books.renew_worklists()


def _places(db: sqlite3.Connection, wish: Dispensing) -> list[tuple[int, int, str]]:
    query = "SELECT day, dose, unit FROM ordered WHERE subject = ? AND (day, dose) >= (?, ?) ORDER BY day, dose LIMIT ?"
    found: list[tuple[int, int, str]] = db.execute(
        query, (wish.subject, wish.day, wish.dose, len(wish.kits))
    ).fetchall()
    first = [(day, dose) for day, dose, _ in found[:1]]
    if len(found) != len(wish.kits) or first != [(wish.day, wish.dose)]:
        seen = f"{len(wish.kits)} kits from day {wish.day} dose {wish.dose} of {wish.subject}"
        raise PharmacyFault(seen, "as many ordered doses", "Look at the course: nebctl pharmacy calendar.")
    return found


def _refuse_ended(db: sqlite3.Connection, subject: str, day: int, dose: int) -> None:
    of = (subject, day, dose)
    where = f"day {day} dose {dose} of {subject}"
    query = "SELECT kit, unit FROM ordered WHERE subject = ? AND day = ? AND dose = ?"
    kit, unit = db.execute(query, of).fetchone()
    if kit is not None:
        advice = "A dose is leased once, to one unit; return the kit first."
        raise PharmacyFault(f"{where} leased to {unit} with kit {kit}", "a dose without a kit", advice)
    ended = db.execute("SELECT state FROM outcome WHERE subject = ? AND day = ? AND dose = ?", of).fetchone()
    if ended:
        raise PharmacyFault(f"{where} {ended[0]}", "a dose that nothing came of yet", "Nothing was changed.")


def _lease(books: Books, sign: Sign, wish: Dispensing, name: str, place: tuple[int, int, str]) -> None:
    day, dose, unit = place
    kit = stock.kit_of(books.db, name)
    day1 = day1_of(books.db, wish.subject)
    given_on = max(books.today, date_of(day1, day)) if day1 else books.today
    stock.require_released(books.db, kit.lot)
    stock.step(kit, KitState.DISPENSED)
    if kit.expires < given_on:
        seen = f"kit {name}, expiry {kit.expires}"
        raise PharmacyFault(seen, f"an expiry on {given_on} or later, the day of the dose", "Choose another kit.")
    not_after = envelope.utc_text(books.at.wall_ns + books.lease_ns)
    sequence = next_sequence(books.db, wish.subject)
    leased: dict[str, Json] = {"kit": name, "lot": kit.lot, "for_day": day, "dose": dose, "for_unit": unit}
    facts: dict[str, Json] = {"event": "dispensed", **leased, "not_after": not_after, "sequence": sequence}
    sign(Draft(typ="order", facts=facts, private={"subject": wish.subject, "operator": wish.by}))
    stock.put(books.db, name, KitState.DISPENSED, books.now)
    change = "UPDATE ordered SET kit = ?, not_after = ?, sequence = ? WHERE subject = ? AND day = ? AND dose = ?"
    books.db.execute(change, (name, not_after, sequence, wish.subject, day, dose))


def next_sequence(db: sqlite3.Connection, subject: str) -> int:
    """Return the number of a subject's next lease, over all doses and units; it is never used twice."""
    (newest,) = db.execute("SELECT COALESCE(MAX(sequence), 0) FROM ordered WHERE subject = ?", (subject,)).fetchone()
    return int(newest) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraDose:
    """A dose beyond the study protocol on one day, ordered by a pharmacist together with an investigator."""

    subject: str
    day: int
    by: str
    second: str
    reason: str


def order_extra(books: Books, wish: ExtraDose) -> int:
    """Order one more dose on a study day, and return its number in that day; a kit is dispensed to it as to any other.

    The bed asks two persons once more before it is given (S02).
    Raises: `PharmacyFault` where the persons may not, the day has no dose, or an extra one waits already.
    """
    books.person(wish.by, PHARMACIST)
    books.person(wish.second, INVESTIGATOR)
    if wish.by == wish.second:
        raise PharmacyFault(f"{wish.by} twice", "two different persons", "Let an investigator confirm it.")
    of = (wish.subject, wish.day)
    ordered = books.db.execute("SELECT MAX(dose), unit FROM ordered WHERE subject = ? AND day = ?", of).fetchone()
    if ordered[0] is None:
        raise PharmacyFault(f"{wish.subject} on Day {wish.day}", "an ordered dose of that day", "Correct --day.")
    dose = int(ordered[0]) + 1
    if dose > books.book.regimen.doses_per_day + 1:
        raise PharmacyFault(f"dose {dose} of Day {wish.day}", "one extra dose a day at most", "Nothing was ordered.")
    with books.change() as sign:
        facts: dict[str, Json] = {"event": "extra-dose", "for_day": wish.day, "dose": dose, "for_unit": ordered[1]}
        private = {"subject": wish.subject, "operator": wish.by, "second": wish.second, "text": wish.reason}
        sign(Draft(typ="order", facts=facts, private=private))
        books.db.execute("INSERT INTO ordered (subject, day, dose, unit) VALUES (?, ?, ?, ?)", (*of, dose, ordered[1]))
        books.renew_worklists(str(ordered[1]))
    return dose
