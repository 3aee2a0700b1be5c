"""Enrolling units by their key, and subjects with all their ordered doses."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from nebctl.core.ledger import envelope, head
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import PHARMACIST
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.identities import Link, check_link, keep_link

FURTHEST = timedelta(days=3660)
"""A planned Day 1 lies at most this far from today: what is further is a slip in typing."""
_SUBJECT = re.compile(r"[A-Z]{2,8}-[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A subject, the planned date of Day 1, the unit that may give the doses, and the two pharmacists who enrol.

    `link` is what the subject is known by at the bed; None means that it is linked later.
    """

    subject: str
    day1: date
    unit: str
    by: str
    second: str
    link: Link | None = None


def enrol_unit(db: sqlite3.Connection, site: str, unit: str, vkey: Vkey, at_ns: int) -> None:
    """Take a unit's key as the one that signs its records for the epoch that the key's name tells.

    Raises: `PharmacyFault` where the key is of another site, unit or kind, or another key is enrolled already.
    """
    epoch = _epoch_of(vkey, site, unit)
    with transaction(db):
        if not _is_enrolled(db, unit, epoch, vkey):
            _enrol_key(db, unit, epoch, vkey, at_ns)


def enrol_unit_by(books: Books, unit: str, vkey: Vkey, by: str | None) -> None:
    """Take a unit's key as `enrol_unit` does, as a signed event; `by` None means that nobody is named.

    Raises: `PharmacyFault` as `enrol_unit`, and where the person is no pharmacist.
    """
    epoch = _epoch_of(vkey, books.log.site, unit)
    if by is not None:
        books.person(by, PHARMACIST)
    with books.change() as sign:
        if not _is_enrolled(books.db, unit, epoch, vkey):
            facts = {"for_unit": unit, "vkey": vkey.text()}
            sign(Draft(typ="key", facts=facts, private={"operator": by} if by else {}))
            _enrol_key(books.db, unit, epoch, vkey, books.at.wall_ns)


def _epoch_of(vkey: Vkey, site: str, unit: str) -> int:
    origin = _origin(vkey)
    if (origin.site, origin.unit) != (site, unit) or vkey.type != ED25519:
        expected = f"a signing key named {site}/nebctl/{unit}/EPOCH"
        raise PharmacyFault(f"the key {vkey.name}", expected, "Enrol each unit at the pharmacy of its own site.")
    return origin.epoch


def _is_enrolled(db: sqlite3.Connection, unit: str, epoch: int, vkey: Vkey) -> bool:
    held = db.execute("SELECT vkey FROM unit_key WHERE unit = ? AND ep = ?", (unit, epoch)).fetchone()
    if held and held[0] != vkey.text():
        advice = "A new key needs a new epoch; a key that changed by itself needs an inquiry."
        raise PharmacyFault(f"another key for {vkey.name}", f"{held[0]}, enrolled before", advice)
    return held is not None


def _enrol_key(db: sqlite3.Connection, unit: str, epoch: int, vkey: Vkey, at_ns: int) -> None:
    db.execute("INSERT INTO unit (unit) VALUES (?) ON CONFLICT DO NOTHING", (unit,))
    values = (unit, epoch, vkey.text(), envelope.utc_text(at_ns))
    db.execute("INSERT INTO unit_key VALUES (?, ?, ?, ?)", values)


def enrol_subject(books: Books, wish: Enrolment) -> None:
    """Enrol a subject and order every dose of the regimen at one unit; kits are dispensed to the doses later.

    Raises: `PharmacyFault` where a name is malformed, the unit unknown, the subject enrolled before, a code of
    another one's, or the two persons are not two pharmacists.
    """
    if not _SUBJECT.fullmatch(wish.subject):
        advice = "Never a name or a hospital number."
        raise PharmacyFault(f"subject {wish.subject!r}", "a pseudonym such as MEX-001", advice)
    if abs(wish.day1 - books.today) > FURTHEST:
        raise PharmacyFault(f"Day 1 on {wish.day1}", f"a date within ten years of {books.today}", "Correct --day1.")
    books.two_persons(wish.by, wish.second, PHARMACIST)
    books.unit(wish.unit)
    with books.change() as sign:
        db, subject = books.db, wish.subject
        if db.execute("SELECT 1 FROM subject WHERE subject = ?", (subject,)).fetchone():
            raise PharmacyFault(f"{subject} enrolled before", "a new subject", "Nothing was changed.")
        if wish.link is not None:
            check_link(db, subject, wish.link)
        sign(_event(wish, books.book.regimen.planned_doses()))
        values = (subject, wish.unit, books.now, wish.day1.isoformat())
        db.execute("INSERT INTO subject (subject, unit, enrolled_at, day1) VALUES (?, ?, ?, ?)", values)
        db.executemany(
            "INSERT INTO ordered (subject, day, dose, unit) VALUES (?, ?, ?, ?)",
            [(subject, day, dose, wish.unit) for day, dose in books.book.regimen.planned_doses()],
        )
        if wish.link is not None:
            keep_link(db, subject, wish.link)
        books.renew_worklists()


def _event(wish: Enrolment, planned: Sequence[tuple[int, int]]) -> Draft:
    linked = {} if wish.link is None else wish.link.facts()
    each: list[Json] = [{"day": day, "dose": dose} for day, dose in planned]
    return Draft(
        typ="enrolment",
        facts={"for_unit": wish.unit, "day1": wish.day1.isoformat(), "doses": len(each), "planned": each},
        private={"subject": wish.subject, "operator": wish.by, "second": wish.second, **linked},
    )


def _origin(vkey: Vkey) -> head.Origin:
    try:
        return head.Origin.parse(vkey.name)
    except ValueError:
        advice = "Give the .vkey file that the unit wrote."
        raise PharmacyFault(f"a key named {vkey.name}", "SITE/nebctl/UNIT/EPOCH", advice) from None
