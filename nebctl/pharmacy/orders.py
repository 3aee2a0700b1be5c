"""Worklists as the register has them: built, signed, and made anew whenever something they say has changed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import envelope
from nebctl.core.ledger.note import sign_note
from nebctl.core.ledger.signing import Signer
from nebctl.core.orders import DoseState, HistoryItem, Operator, Order, PlannedDose, Worklist, worklist_text
from nebctl.pharmacy.database import transaction

LIFETIME_NS = 7 * 24 * 3600 * NS_PER_S
"""A unit without contact may work by its last worklist for this long; a fresh one is made at half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who issues worklists: for which site and study, with which operators, signed by which key under which name."""

    site: str
    study: str
    operators: tuple[Operator, ...]
    key_name: str
    signer: Signer


def renew_worklists(db: sqlite3.Connection, desk: Desk, at_ns: int) -> dict[str, str]:
    """Make every worklist anew that is out of date, and return those by their units."""
    query = (
        "SELECT unit FROM unit WHERE NOT EXISTS (SELECT 1 FROM worklist w"
        " WHERE w.unit = unit.unit AND w.orders_rev = unit.orders_rev AND w.expires_ns > ?)"
    )
    outdated = db.execute(query, (at_ns + LIFETIME_NS // 2,)).fetchall()
    return {unit: _renew(db, desk, unit, at_ns) for (unit,) in outdated}


def current_worklists(db: sqlite3.Connection) -> dict[str, str]:
    """Return the newest worklist of every unit that has one."""
    return dict(db.execute("SELECT unit, note FROM (SELECT unit, note, MAX(version) FROM worklist GROUP BY unit)"))


def _renew(db: sqlite3.Connection, desk: Desk, unit: str, at_ns: int) -> str:
    with transaction(db):
        (revision,) = db.execute("SELECT orders_rev FROM unit WHERE unit = ?", (unit,)).fetchone()
        (newest,) = db.execute("SELECT COALESCE(MAX(version), 0) FROM worklist WHERE unit = ?", (unit,)).fetchone()
        worklist = _build(db, desk, unit, newest + 1, at_ns)
        note = sign_note(worklist_text(worklist, desk.site, unit), desk.key_name, desk.signer)
        values = (unit, worklist.version, note, revision, worklist.expires_ns)
        db.execute("INSERT INTO worklist VALUES (?, ?, ?, ?, ?)", values)
    return note


def _build(db: sqlite3.Connection, desk: Desk, unit: str, version: int, at_ns: int) -> Worklist:
    query = "SELECT DISTINCT subject, day1 FROM kit JOIN subject USING (subject) WHERE unit = ? ORDER BY subject"
    return Worklist(
        version=version,
        issued_ns=at_ns,
        expires_ns=at_ns + LIFETIME_NS,
        study=desk.study,
        orders=tuple(_order(db, unit, *row) for row in db.execute(query, (unit,)).fetchall()),
        operators=desk.operators,
    )


def _order(db: sqlite3.Connection, unit: str, subject: str, planned_day1: str | None) -> Order:
    first = db.execute("SELECT MIN(date_local) FROM outcome WHERE subject = ? AND emitted", (subject,)).fetchone()[0]
    day1 = first or planned_day1
    history = _history(db, subject)
    return Order(
        order=f"{subject}@{unit}",
        subject=subject,
        day1=date.fromisoformat(day1) if day1 else None,
        doses=_leases(db, unit, subject, history),
        history=history,
    )


def _history(db: sqlite3.Connection, subject: str) -> tuple[HistoryItem, ...]:
    query = "SELECT day, dose, state, unit, session FROM outcome WHERE subject = ? ORDER BY day, dose, unit, ep, seq"
    return tuple(
        HistoryItem(day=day, dose=dose, state=DoseState(state), unit=unit, session=session)
        for day, dose, state, unit, session in db.execute(query, (subject,))
    )


def _leases(db: sqlite3.Connection, unit: str, subject: str, history: Sequence[HistoryItem]) -> tuple[PlannedDose, ...]:
    """Return the doses that nothing came of yet: an outcome of any kind, also an uncertain one, ends the lease."""
    done = {(item.day, item.dose) for item in history}
    query = "SELECT day, dose, kit, lot, not_after FROM kit WHERE unit = ? AND subject = ? ORDER BY day, dose"
    return tuple(
        PlannedDose(day=day, dose=dose, kit=kit, lot=lot, not_after_ns=envelope.parse_utc(not_after))
        for day, dose, kit, lot, not_after in db.execute(query, (unit, subject))
        if (day, dose) not in done
    )
