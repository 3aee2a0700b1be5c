"""Leases: one kit for one dose of one subject at exactly one unit."""

import sqlite3
from dataclasses import dataclass

from nebctl.core.calendar import date_of
from nebctl.core.kits import KitState
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import INVESTIGATOR, PHARMACIST
from nebctl.pharmacy import stock
from nebctl.pharmacy.books import ROLES, Books, Sign
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A subject's open doses go to another unit; `readers` are two persons who read the old unit's screen."""

    subject: str
    unit: str
    by: str
    readers: tuple[str, str]
    reason: str


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


def move(books: Books, wish: Move) -> int:
    """Lease all open doses of a subject to another unit, and return how many.

    Two persons have read the old unit's screen: a list that it still holds lets it go on while nobody hears it, and
    what it may give unheard must not be given again. Records that were heard, however new, do not tell the next minute.
    Raises: `PharmacyFault` where the two are not two, or there is nothing to move.
    """
    books.person(wish.by, PHARMACIST)
    books.unit(wish.unit)
    books.two_persons(*wish.readers, *ROLES)
    with books.change() as sign:
        row = books.db.execute("SELECT unit FROM subject WHERE subject = ?", (wish.subject,)).fetchone()
        if row is None or row[0] == wish.unit:
            seen = f"{wish.subject} at {row[0]}" if row else f"subject {wish.subject}"
            raise PharmacyFault(seen, "an enrolled subject at another unit", "Nothing was changed.")
        held = str(row[0])
        facts = {"from_unit": held, "to_unit": wish.unit, "basis": "screen-read"}
        reader, second = wish.readers
        private = {
            "subject": wish.subject,
            "operator": wish.by,
            "text": wish.reason,
            "reader": reader,
            "second": second,
        }
        sign(Draft(typ="order", facts={"event": "lease-moved", **facts}, private=private))
        return _move(books, wish, held)


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
    leased: dict[str, Json] = {"kit": name, "lot": kit.lot, "for_day": day, "dose": dose, "for_unit": unit}
    facts: dict[str, Json] = {"event": "dispensed", **leased, "not_after": not_after}
    sign(Draft(typ="order", facts=facts, private={"subject": wish.subject, "operator": wish.by}))
    stock.put(books.db, name, KitState.DISPENSED, books.now)
    change = "UPDATE ordered SET kit = ?, not_after = ? WHERE subject = ? AND day = ? AND dose = ?"
    books.db.execute(change, (name, not_after, wish.subject, day, dose))


def _move(books: Books, wish: Move, held: str) -> int:
    done = "SELECT 1 FROM outcome o WHERE o.subject = ordered.subject AND (o.day, o.dose) = (ordered.day, ordered.dose)"
    moved = books.db.execute(
        f"UPDATE ordered SET unit = ? WHERE subject = ? AND NOT EXISTS ({done})",  # noqa: S608 - a constant
        (wish.unit, wish.subject),
    ).rowcount
    books.db.execute("UPDATE subject SET unit = ? WHERE subject = ?", (wish.unit, wish.subject))
    books.renew_worklists(held, wish.unit)
    return moved


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
