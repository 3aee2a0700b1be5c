"""The site's delegation log: who may work at its units and its pharmacy, in which role, from when to when."""

from dataclasses import dataclass
from datetime import date

from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import (
    INVESTIGATOR,
    PHARMACIST,
    ROLES,
    Operator,
    code_is_good,
    find,
    gsrn_is_good,
)
from nebctl.pharmacy.books import Books, Sign
from nebctl.pharmacy.faults import PharmacyFault

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person to be added; `badge` is a GSRN, "" means that the code is the badge."""

    code: str
    name: str
    badge: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that an investigator delegates to a person; `until` None means until it is taken back."""

    code: str
    role: str
    since: date
    until: date | None
    trained: date
    by: str


def add(books: Books, wish: Person) -> None:
    """Add a person, who may do nothing until something is delegated to her and she has a PIN.

    Raises: `PharmacyFault` for a malformed code, name or badge, or one that somebody has already.
    """
    books.person(wish.by, PHARMACIST, INVESTIGATOR)
    if not code_is_good(wish.code):
        raise PharmacyFault(f"code {wish.code!r}", "letters, a hyphen and digits, such as RT-09", "Correct --code.")
    if not (wish.name.strip() and wish.name.isprintable() and len(wish.name) <= LONGEST_NAME):
        raise PharmacyFault(f"name {wish.name!r}", "the printed name of a person", "Correct --name.")
    if wish.badge and not gsrn_is_good(wish.badge):
        expected = "a GSRN: 18 digits with the right check digit"
        raise PharmacyFault(f"badge {wish.badge!r}", expected, "Read the badge again, or leave --badge out.")
    for given in (wish.code, wish.badge):
        if held := find(books.staff, given):
            raise PharmacyFault(f"{given}, which {held.code} has", "a code and badge of her own", "Nothing was added.")
    with books.change() as sign:
        _sign(sign, "added", {}, {"operator": wish.by, "person": wish.code, "printed": wish.name, "badge": wish.badge})
        books.db.execute("INSERT INTO person (code, name, badge) VALUES (?, ?, ?)", (wish.code, wish.name, wish.badge))
        books.renew_worklists()


def delegate(books: Books, wish: Grant) -> None:
    """Delegate a role, as an investigator does, who delegates nothing to herself.

    A role that was delegated from the same date on is replaced.
    Raises: `PharmacyFault` for an unknown person or role, dates out of order, or a training still to come.
    """
    _known(books, wish.code)
    books.person(wish.by, INVESTIGATOR)
    if wish.by == wish.code:
        raise PharmacyFault(f"{wish.by} for herself", "another investigator", "Nobody delegates to herself.")
    if wish.role not in ROLES:
        raise PharmacyFault(f"role {wish.role!r}", f"one of {', '.join(ROLES)}", "Correct --role.")
    if wish.until is not None and wish.until < wish.since:
        seen = f"from {wish.since} to {wish.until}"
        raise PharmacyFault(seen, "an end on or after the beginning", "Correct --from or --to.")
    if wish.trained > min(wish.since, books.today):
        expected = f"a training on or before {min(wish.since, books.today)}"
        raise PharmacyFault(f"trained on {wish.trained}", expected, "Train first, then delegate.")
    dates: dict[str, Json] = {
        "from": wish.since.isoformat(),
        "to": wish.until.isoformat() if wish.until else None,
        "trained": wish.trained.isoformat(),
    }
    with books.change() as sign:
        _sign(sign, "delegated", {"role": wish.role, **dates}, {"operator": wish.by, "person": wish.code})
        values = (wish.code, wish.role, *dates.values())
        books.db.execute(
            "INSERT OR REPLACE INTO delegation (code, role, since, until, trained) VALUES (?, ?, ?, ?, ?)", values
        )
        books.renew_worklists()


def suspend(books: Books, code: str, reason: str, by: str) -> None:
    """Suspend a person: from the next list on, no unit and no pharmacy lets her do anything.

    Raises: `PharmacyFault` where there is no such person, or she is suspended already.
    """
    person = _known(books, code)
    books.person(by, PHARMACIST, INVESTIGATOR)
    if person.suspended_ns is not None:
        raise PharmacyFault(f"{code} suspended before", "a person who may work", "Nothing was changed.")
    with books.change() as sign:
        _sign(sign, "suspended", {}, {"operator": by, "person": code, "text": reason})
        books.db.execute("INSERT INTO suspended (code, since) VALUES (?, ?)", (code, books.now))
        books.renew_worklists()


def reinstate(books: Books, code: str, reason: str, by: str) -> None:
    """Let a suspended person work again, as another person, an investigator, decides.

    Raises: `PharmacyFault` where there is no such person, or she is not suspended.
    """
    person = _known(books, code)
    books.person(by, INVESTIGATOR)
    if person.suspended_ns is None:
        raise PharmacyFault(f"{code} not suspended", "a suspended person", "Nothing was changed.")
    with books.change() as sign:
        _sign(sign, "reinstated", {}, {"operator": by, "person": code, "text": reason})
        books.db.execute("DELETE FROM suspended WHERE code = ?", (code,))
        books.renew_worklists()


def set_pin(books: Books, code: str, verifier: str, by: str) -> None:
    """Take what the person's new PIN is checked by; the PIN itself is in no record and no table.

    Raises: `PharmacyFault` where there is no such person.
    """
    _known(books, code)
    books.person(by, PHARMACIST, INVESTIGATOR)
    with books.change() as sign:
        _sign(sign, "pin-set", {}, {"operator": by, "person": code})
        books.db.execute("INSERT OR REPLACE INTO pin (code, verifier) VALUES (?, ?)", (code, verifier))
        books.renew_worklists()


def _sign(sign: Sign, event: str, facts: dict[str, Json], private: dict[str, Json]) -> None:
    known = {name: value for name, value in private.items() if value != ""}
    sign(Draft(typ="operator", facts={"event": event, **facts}, private=known))


def _known(books: Books, code: str) -> Operator:
    person = next((person for person in books.staff if person.code == code), None)
    if person is None:
        raise PharmacyFault(f"staff code {code}", "the code of a known person", "List them: nebctl operators list.")
    return person
