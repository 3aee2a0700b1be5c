"""What an accepted record means for the course: outcomes of doses and states of kits."""

import sqlite3
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from nebctl.core.ledger.records import Json
from nebctl.core.orders import DoseState
from nebctl.pharmacy.check import Signed

OUTCOMES = frozenset(("dose", "missed", "notdone"))


class KitState(Enum):
    """Where a kit is in its life, as far as this pharmacy moves it."""

    AT_BEDSIDE = "AT-BEDSIDE"
    OPENED = "OPENED"
    USED = "USED"
    PARTIAL = "PARTIAL"


_OPENED = KitState.OPENED.value
_KIT_AFTER = {
    DoseState.COMPLETE: KitState.USED,
    DoseState.PARTIAL: KitState.PARTIAL,
    DoseState.STOPPED: KitState.PARTIAL,
    DoseState.UNCERTAIN: KitState.OPENED,  # opened for certain; what is left in it is not known
}


class Given(NamedTuple):
    """Which dose an outcome speaks of, in the order of the lease's columns."""

    unit: str
    subject: str
    day: int
    dose: int


def note_record(db: sqlite3.Connection, signed: Signed) -> str | None:
    """Enter in the tables what the record says of a dose; return a remark for the log, or None.

    A record that contradicts the leases is kept all the same: it tells what happened.
    """
    payload = signed.entry.payload
    kit = _text(payload.get("kit"))
    if payload["typ"] == "start":
        db.execute("UPDATE kit SET state = ? WHERE kit = ? AND state = ?", (_OPENED, kit, KitState.AT_BEDSIDE.value))
    if payload["typ"] not in OUTCOMES:
        return None
    lease = db.execute("SELECT unit, subject, day, dose FROM kit WHERE kit = ?", (kit,)).fetchone()
    given = _given(signed, Given(*lease) if lease else None)
    state = _state(payload)
    _add_outcome(db, signed, given, state)
    if state in _KIT_AFTER:
        db.execute("UPDATE kit SET state = ? WHERE kit = ?", (_KIT_AFTER[state].value, kit))
    _renew_worklists(db, given)
    return None if lease == given else f"{payload['typ']} without a lease of kit {kit!r}: {given}"


def _given(signed: Signed, lease: Given | None) -> Given:
    payload = signed.entry.payload
    subject = _text(signed.revealed.get("subject")) or (lease.subject if lease else "")
    return Given(_text(payload["unit"]), subject, _count(payload.get("day"), 0), _count(payload.get("dose"), 1))


def _state(payload: Mapping[str, Json]) -> DoseState:
    """Return the state, UNCERTAIN where the record does not say: unknown counts as given."""
    value = payload.get("end") if payload["typ"] == "dose" else payload["typ"]
    return next((state for state in DoseState if state.value == value), DoseState.UNCERTAIN)


def _add_outcome(db: sqlite3.Connection, signed: Signed, given: Given, state: DoseState) -> None:
    payload = signed.entry.payload
    emitted = payload["typ"] == "dose" and _count(payload.get("high_nl"), 1) > 0
    place = (given.unit, signed.entry.epoch, signed.entry.seq)
    when = (_text(payload.get("session")), state.value, _text(payload.get("date_local")), emitted)
    db.execute("INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*place, *given[1:], *when))


def _renew_worklists(db: sqlite3.Connection, given: Given) -> None:
    db.execute(
        "UPDATE unit SET orders_rev = orders_rev + 1"
        " WHERE unit = ? OR unit IN (SELECT unit FROM kit WHERE subject = ?)",
        (given.unit, given.subject),
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Json, unknown: int) -> int:
    return value if isinstance(value, int) else unknown
