"""A subject's doses go to another unit, once it is certain that the old one starts none of them (S50).

A unit works by its list while nobody hears it. So its leases are not taken from it: it gives them back, which its own
record or a code from its screen proves, or they end.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from nebctl.core.calendar import date_of
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import PHARMACIST
from nebctl.core.returned import Returned
from nebctl.pharmacy.books import ROLES, Books
from nebctl.pharmacy.dates import day1_of
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.leases import next_sequence

CLOCKS_NS = 120 * NS_PER_S
"""A unit whose clock is trusted may be a minute slow (S32), and the pharmacy's own a minute fast."""
_CODE = re.compile(r"([0-9]{1,6})-([0-9]{1,4})-([0-9]{8})", re.ASCII)

CodeOf: TypeAlias = Callable[[str, Returned], str]
"""What a unit shows when it has given leases back, by the unit's name."""


class Basis(Enum):
    """By what it is known that the old unit starts none of the doses any more."""

    RECEIPTED = "receipted"
    SCREEN_READ = "screen-read"
    LEASE_ENDED = "lease-ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A subject's open doses go to another unit.

    `code` is what the old unit's screen shows once it has given the doses back, and `readers` the two persons who read
    it there; "" and None where nobody could. `code_of` is the site's own way to make that code, None without its key.
    """

    subject: str
    unit: str
    by: str
    reason: str
    code: str = ""
    readers: tuple[str, str] | None = None
    code_of: CodeOf | None = None


class _Open(NamedTuple):
    """A dose that nothing came of, as it was last leased to the old unit; `not_after` None: it never was."""

    day: int
    dose: int
    sequence: int
    not_after: str | None


def move(books: Books, wish: Move) -> int:
    """Lease a subject's open doses to another unit, and return how many.

    A dose that the old unit may have begun stays there: unknown counts as given until its records are heard.
    Raises: `PharmacyFault` where it is not certain that the old unit starts no more of them, the readers are not two
    persons of the staff, or there is nothing to move.
    """
    books.person(wish.by, PHARMACIST)
    books.unit(wish.unit)
    with books.change() as sign:
        row = books.db.execute("SELECT unit FROM subject WHERE subject = ?", (wish.subject,)).fetchone()
        if row is None:
            raise PharmacyFault(f"subject {wish.subject}", "an enrolled subject", "Nothing was changed.")
        held = str(row[0])
        leased = _open_doses(books.db, wish.subject, held)
        basis, doses = _let_go(books, wish, held, leased)
        if not doses:
            seen = f"no dose of {wish.subject} that {held} cannot have begun"
            raise PharmacyFault(seen, "an open dose of a later day", f"Wait for the records of {held}.")
        sequence = next_sequence(books.db, wish.subject)
        facts: dict[str, Json] = {
            "event": "lease-moved",
            "from_unit": held,
            "to_unit": wish.unit,
            "basis": basis.value,
            "sequence": sequence,
            "from_day": min(each.day for each in doses),
        }
        sign(Draft(typ="order", facts=facts, private=_private(wish)))
        change = "UPDATE ordered SET unit = ?, sequence = ? WHERE subject = ? AND day = ? AND dose = ?"
        books.db.executemany(change, [(wish.unit, sequence, wish.subject, each.day, each.dose) for each in doses])
        books.db.execute("UPDATE subject SET unit = ? WHERE subject = ?", (wish.unit, wish.subject))
        books.renew_worklists(held, wish.unit)
        return len(doses)


def _private(wish: Move) -> dict[str, Json]:
    read: dict[str, Json] = dict(zip(("reader", "second"), wish.readers or (), strict=False))
    return {"subject": wish.subject, "operator": wish.by, "text": wish.reason, **read}


def _open_doses(db: sqlite3.Connection, subject: str, unit: str) -> list[_Open]:
    done = "SELECT 1 FROM outcome o WHERE o.subject = ordered.subject AND (o.day, o.dose) = (ordered.day, ordered.dose)"
    columns = "SELECT day, dose, sequence, not_after FROM ordered"
    query = f"{columns} WHERE subject = ? AND unit = ? AND NOT EXISTS ({done})"
    return [_Open(*row) for row in db.execute(query, (subject, unit))]


def _let_go(books: Books, wish: Move, held: str, leased: Sequence[_Open]) -> tuple[Basis, list[_Open]]:
    """Return by what it is known that the old unit starts nothing more, and which doses it cannot have begun.

    Raises: `PharmacyFault` where it is not known.
    """
    newest = max((each.sequence for each in leased), default=0)
    told = books.db.execute(
        "SELECT sequence FROM returned WHERE unit = ? AND subject = ?", (held, wish.subject)
    ).fetchone()
    if told is not None and told[0] >= newest:
        return Basis.RECEIPTED, list(leased)  # what it began stands in the records before
    if wish.code or wish.readers:
        back = _read_back(books, wish, held)
        if back.sequence < newest:
            seen = f"lease {back.sequence} given back, and lease {newest} of {wish.subject} at {held}"
            raise PharmacyFault(seen, "the newest lease given back", "Give the doses back there once more.")
        return Basis.SCREEN_READ, [each for each in leased if each.day > back.last_day]
    ends = [envelope.parse_utc(each.not_after) for each in leased if each.not_after]
    if all(end + CLOCKS_NS <= books.at.wall_ns for end in ends):
        return Basis.LEASE_ENDED, _later(books, wish.subject, leased)
    raise PharmacyFault(
        f"{wish.subject} leased to {held} until {envelope.utc_text(max(ends))}",
        f"a record of {held}, or a code read from its screen, that the doses were given back",
        f"Give them back at {held} (Device, Give back), or wait until the lease has ended.",
    )


def _later(books: Books, subject: str, leased: Sequence[_Open]) -> list[_Open]:
    """Return the doses of days to come; those of days that have begun may have been given unheard."""
    if not any(each.not_after for each in leased):
        return list(leased)  # nothing was ever leased: no unit can have begun any
    day1 = day1_of(books.db, subject)
    return [each for each in leased if day1 is not None and date_of(day1, each.day) > books.today]


def _read_back(books: Books, wish: Move, held: str) -> Returned:
    """Return what two persons read from a unit's screen.

    Raises: `PharmacyFault` where they are not two, or the code is not one that this unit shows for this subject.
    """
    if wish.readers is None:
        advice = "Name both with --read-by."
        raise PharmacyFault("a code that nobody is named for", "two persons who read the screen", advice)
    books.two_persons(*wish.readers, *ROLES)
    found = _CODE.fullmatch(wish.code.strip())
    if found is None:
        seen = f"code {wish.code!r}" if wish.code else "no code"
        raise PharmacyFault(
            seen, f"what {held} shows once it has given the doses back, as 5-1-12345678", "Read it anew."
        )
    back = Returned(subject=wish.subject, sequence=int(found[1]), last_day=int(found[2]))
    if wish.code_of is None:
        raise PharmacyFault("a site without a PIN key", "the key that makes the code", "Name pin_key in pharmacy.toml.")
    if wish.code_of(held, back) != wish.code.strip():
        seen = f"code {wish.code}"
        raise PharmacyFault(seen, f"the one that {held} shows for {wish.subject}", "Read it anew from its screen.")
    return back
