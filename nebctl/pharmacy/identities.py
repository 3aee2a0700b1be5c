"""What subjects are known by at the bed: keyed hashes of two different codes, linked by two persons (S12)."""

import re
import sqlite3
from dataclasses import dataclass

from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import INVESTIGATOR, PHARMACIST
from nebctl.core.scan.subject import Identity
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.faults import PharmacyFault

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two keyed hashes of 64 hex digits: of the wristband's code, and of the study card's or the bed label's."""

    band: str
    card: str

    def facts(self) -> dict[str, Json]:
        """Return both as private facts of a record."""
        return {"band": self.band, "card": self.card}


def link_subject(books: Books, subject: str, link: Link, by: str, second: str, reason: str) -> None:
    """Link a subject's wristband and second identifier, or other ones in their place, by two persons.

    Raises: `PharmacyFault` where the subject is unknown, a code is not new, or the persons may not.
    """
    books.two_persons(by, second, PHARMACIST, INVESTIGATOR)
    with books.change() as sign:
        row = books.db.execute("SELECT unit FROM subject WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            raise PharmacyFault(f"subject {subject}", "an enrolled subject", "Enrol it first: nebctl pharmacy enrol.")
        check_link(books.db, subject, link)
        private: dict[str, Json] = {"subject": subject, "operator": by, "second": second, "text": reason}
        sign(Draft(typ="identity", private={**private, **link.facts()}))
        keep_link(books.db, subject, link)
        books.renew_worklists()


def check_link(db: sqlite3.Connection, subject: str, link: Link) -> None:
    """Check that both are keyed hashes, of two codes, and of nobody else.

    Raises: `PharmacyFault` saying which is not so; neither hash is shown.
    """
    if not (_HASH.fullmatch(link.band) and _HASH.fullmatch(link.card)):
        raise PharmacyFault("something else than a keyed hash", "64 hex digits", "Scan both codes anew.")
    if link.band == link.card:
        advice = "Scan the wristband, then the study card or the bed label."
        raise PharmacyFault("the same code twice", "two different codes", advice)
    query = "SELECT subject FROM identity WHERE (band IN (?, ?) OR card IN (?, ?)) AND subject <> ?"
    other = db.execute(query, (link.band, link.card, link.band, link.card, subject)).fetchone()
    if other is not None:
        raise PharmacyFault(f"a code of {other[0]}", f"codes of {subject} alone", "Find out whose it is. Scan anew.")


def keep_link(db: sqlite3.Connection, subject: str, link: Link) -> None:
    """Write what a subject is known by from now on."""
    db.execute(
        "INSERT OR REPLACE INTO identity (subject, band, card) VALUES (?, ?, ?)", (subject, link.band, link.card)
    )


def identities(db: sqlite3.Connection) -> tuple[Identity, ...]:
    """Return what all subjects of the site are known by."""
    rows = db.execute("SELECT subject, band, card FROM identity ORDER BY subject")
    return tuple(Identity(subject=subject, band=band, card=card) for subject, band, card in rows)
