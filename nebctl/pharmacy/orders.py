"""Worklists as the register has them: built, signed, and made anew whenever something they say has changed."""

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from nebctl.core.instant import NS_PER_S
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.ledger import envelope, jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.note import sign_note
from nebctl.core.ledger.signing import Signer
from nebctl.core.operators import Operator
from nebctl.core.orders import DoseState, HistoryItem, Order, PlannedDose, Worklist, worklist_text
from nebctl.core.scan.label import own_gtin
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.dates import day1_of
from nebctl.pharmacy.delegations import staff_of
from nebctl.pharmacy.identities import identities

RENEWAL_NS = 24 * 3600 * NS_PER_S
LIFETIME_NS = 3 * RENEWAL_NS
"""A unit without contact may work by its last worklist for this long; a fresh one is made every day."""


_NOTHING_BEGUN = frozenset((DoseState.MISSED, DoseState.NOT_DONE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who issues worklists: for which site and study, by which key under which name.

    `operators` are the persons whom the configuration itself names.
    """

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
    outdated = db.execute(query, (at_ns + LIFETIME_NS - RENEWAL_NS,)).fetchall()
    return {unit: _renew(db, desk, unit, at_ns) for (unit,) in outdated}


def current_worklists(db: sqlite3.Connection) -> dict[str, str]:
    """Return the newest worklist of every unit that has one."""
    newest = "SELECT unit, note, MAX(version) FROM worklist GROUP BY unit"
    return dict(db.execute(f"SELECT unit, note FROM ({newest}) WHERE note <> ''"))  # noqa: S608 - a constant


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
    query = "SELECT DISTINCT subject FROM ordered WHERE unit = ? AND kit IS NOT NULL ORDER BY subject"
    return Worklist(
        version=version,
        issued_ns=at_ns,
        expires_ns=at_ns + LIFETIME_NS,
        study=desk.study,
        orders=tuple(_order(db, unit, subject) for (subject,) in db.execute(query, (unit,)).fetchall()),
        operators=staff_of(db, desk.operators),
        kits=_kits(db, unit, desk.study),
        identities=identities(db),
    )


def _kits(db: sqlite3.Connection, unit: str, study: str) -> tuple[KnownKit, ...]:
    """Return every kit of the site, each with whom it is dispensed to, and which other unit holds it."""
    own = own_gtin(study)
    query = (
        "SELECT k.kit, k.lot, l.state, k.expires, k.state, k.since, o.subject, o.day, o.unit, k.gtin, k.serial,"
        " o.dose, o.sequence"
        " FROM kit k JOIN lot l ON l.lot = k.lot LEFT JOIN ordered o ON o.kit = k.kit ORDER BY k.kit"
    )
    return tuple(
        KnownKit(
            kit=kit,
            lot=lot,
            lot_state=LotState(lot_state),
            expires=date.fromisoformat(expires),
            state=KitState(state),
            since_ns=envelope.parse_utc(since),
            subject=subject,
            day=day,
            held_by=held_by if held_by != unit else None,
            gtin=gtin or own,
            serial=serial or kit,
            dose=dose,
            sequence=sequence or 0,
        )
        for kit, lot, lot_state, expires, state, since, subject, day, held_by, gtin, serial, dose, sequence in (
            db.execute(query)
        )
    )


def _order(db: sqlite3.Connection, unit: str, subject: str) -> Order:
    history = _history(db, subject)
    return Order(
        order=f"{subject}@{unit}",
        subject=subject,
        day1=day1_of(db, subject),
        doses=_leases(db, unit, subject, history),
        history=history,
    )


def _history(db: sqlite3.Connection, subject: str) -> tuple[HistoryItem, ...]:
    """Return what came of each dose; what two persons settled counts as they said, all else as it was recorded."""
    query = (
        "SELECT o.day, o.dose, COALESCE(s.state, o.state), o.unit, o.session, r.jws FROM outcome o"
        " LEFT JOIN settled s USING (unit, ep, seq) LEFT JOIN rec r USING (unit, ep, seq)"
        " WHERE o.subject = ? ORDER BY o.day, o.dose, unit, ep, seq"
    )
    return tuple(
        _item(HistoryItem(day=day, dose=dose, state=DoseState(state), unit=unit, session=session), text)
        for day, dose, state, unit, session, text in db.execute(query, (subject,))
    )


def _item(item: HistoryItem, text: str | None) -> HistoryItem:
    """Return the item with the start of its dose, as the record says; what never came to a dose has none.

    A record that does not say legibly when it began was written later: the moment of that holds in its place.
    """
    if text is None or item.state in _NOTHING_BEGUN:
        return item
    payload = jws.parse(text).payload
    for name in ("started", "utc"):
        with contextlib.suppress(FormatError):
            return replace(item, started_ns=envelope.parse_utc(str(payload.get(name))))
    return item


def _leases(db: sqlite3.Connection, unit: str, subject: str, history: Sequence[HistoryItem]) -> tuple[PlannedDose, ...]:
    """Return the doses that nothing came of yet: an outcome of any kind, also an uncertain one, ends the lease."""
    done = {(item.day, item.dose) for item in history}
    query = (
        "SELECT o.day, o.dose, o.kit, k.lot, o.not_after, k.thawed_at, k.use_by, o.sequence FROM ordered o"
        " JOIN kit k ON k.kit = o.kit WHERE o.unit = ? AND o.subject = ? ORDER BY o.day, o.dose"
    )
    return tuple(
        PlannedDose(
            day=day,
            dose=dose,
            kit=kit,
            lot=lot,
            not_after_ns=envelope.parse_utc(not_after),
            thawed_at_ns=envelope.parse_utc(thawed_at) if thawed_at else None,
            use_by_ns=envelope.parse_utc(use_by) if use_by else None,
            sequence=sequence,
        )
        for day, dose, kit, lot, not_after, thawed_at, use_by, sequence in db.execute(query, (unit, subject))
        if (day, dose) not in done
    )
