"""A subject's private facts erased from all that the pharmacy keeps, by two persons, after the retention date."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from nebctl.core.erasure import Erasure, erasure_record, not_yet, records_of
from nebctl.core.ledger.records import Entry
from nebctl.core.operators import INVESTIGATOR, PHARMACIST
from nebctl.pharmacy import log
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.judging import open_doses
from nebctl.publish.topics import format_record, parse_record
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile


def erase(books: Books, database: Path, wish: Erasure) -> int:
    """Erase what stands beside a subject's records and return how many records that are; the log stays as it is.

    The record that says so is durable first. A crash before the end leaves facts beside some records: call again.
    Raises: `PharmacyFault` where the date has not come, the persons are not two, or a dose is still open.
    """
    books.two_persons(wish.by, wish.second, PHARMACIST, INVESTIGATOR)
    keep_until = books.book.rules.keep_private_until
    if (why := not_yet(keep_until, books.today)) is not None or keep_until is None:
        raise PharmacyFault(str(why), "a day after that date", "Nothing was erased.")
    if open_doses(books.db, wish.subject):
        advice = "Record what came of them: nebctl pharmacy notdone."
        raise PharmacyFault(f"{wish.subject} with open doses", "a course that has ended", advice)
    chosen = records_of(wish.subject, _kept(database, books.log.path))
    if not chosen:
        raise PharmacyFault(f"nothing private of {wish.subject}", "a subject that records name", "Check the pseudonym.")
    books.db.execute("PRAGMA secure_delete = ON")
    with books.change() as sign:
        by_seq = sign(erasure_record(wish, chosen, keep_until))
        _forget(books, [entry for entry in chosen if entry.payload["unit"] != log.UNIT], by_seq, wish.subject)
    own = [(entry.epoch, entry.seq) for entry in chosen if entry.payload["unit"] == log.UNIT]
    with books.log.open(books.at) as writer:
        writer.erase(own, (log.EPOCH, by_seq))
    return len(chosen)


def _kept(database: Path, own: Path) -> list[Entry]:
    """Return every record of the units and of the pharmacy's own log beside which something private stands."""
    found: list[Entry] = []
    for path in (database, own):
        with LedgerFile.open(path) as file:
            found += [entry for _, entry in read(file) if entry.disclosures]
    return found


def _forget(books: Books, chosen: Sequence[Entry], by_seq: int, subject: str) -> None:
    """Delete the disclosures of the units' records, and the subject from every table that was drawn from them."""
    db = books.db
    for entry in chosen:
        place = (str(entry.payload["unit"]), entry.epoch, entry.seq)
        db.execute("INSERT OR REPLACE INTO erased (unit, ep, seq, log_seq) VALUES (?, ?, ?, ?)", (*place, by_seq))
        db.execute("DELETE FROM disclosure WHERE (unit, ep, seq) = (?, ?, ?)", place)
    for table in ("outcome", "late", "ordered", "subject"):
        db.execute(f"DELETE FROM {table} WHERE subject = ?", (subject,))  # noqa: S608 - a constant
    db.execute("UPDATE worklist SET note = '' WHERE instr(note, ?)", (f'"{subject}"',))
    _strip_evidence(db, {disc for entry in chosen for disc in entry.disclosures})
    books.renew_worklists()


def _strip_evidence(db: sqlite3.Connection, gone: set[str]) -> None:
    """Take the erased facts out of refused messages that are kept as evidence; the signed record in them stays."""
    for row, body in db.execute("SELECT rowid, body FROM evidence").fetchall():
        parts = parse_record(bytes(body))
        if parts is not None and gone & set(parts.disclosures):
            kept = [disc for disc in parts.disclosures if disc not in gone]
            bare = format_record(parts.jws, kept, parts.head_line)
            db.execute("UPDATE evidence SET body = ? WHERE rowid = ?", (bare, row))
