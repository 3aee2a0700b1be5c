"""What an accepted record means for the course: outcomes of doses and states of kits."""

import sqlite3
from collections.abc import Mapping, Set
from typing import NamedTuple

from nebctl.core.kits import GIVABLE, KitState
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.epoch import DIVERGENT
from nebctl.core.ledger.records import Json
from nebctl.core.orders import DoseState
from nebctl.core.returned import EVENT as GIVEN_BACK
from nebctl.pharmacy.check import Signed

OUTCOMES = frozenset(("dose", "missed", "notdone"))


_KIT_AFTER = {
    DoseState.COMPLETE: KitState.USED,
    DoseState.PARTIAL: KitState.PARTIAL,
    DoseState.STOPPED: KitState.PARTIAL,
    DoseState.UNCERTAIN: KitState.OPENED,  # opened for certain; what is left in it is not known
}
_KIT_BY = {
    "authorisation": (KitState.AT_BEDSIDE, frozenset((KitState.DISPENSED,))),
    "charge": (KitState.OPENED, GIVABLE),
    "start": (KitState.OPENED, GIVABLE),
}
"""Which record moves its kit where, and from where: a kit that was scanned at a bedside lies there."""
_BEFORE_OUTCOME = GIVABLE | {KitState.OPENED}


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
    if payload["typ"] in _KIT_BY:
        to, before = _KIT_BY[_text(payload["typ"])]
        _move_kit(db, kit, to, before, _text(payload["utc"]))
    if payload.get("kind") == DIVERGENT:
        return _carried_over(_text(payload.get("jws")))
    if payload.get("event") == GIVEN_BACK:
        _note_returned(db, signed)
    if payload["typ"] not in OUTCOMES:
        return None
    lease = db.execute("SELECT unit, subject, day, dose FROM ordered WHERE kit = ?", (kit,)).fetchone()
    given = _given(signed, Given(*lease) if lease else None)
    state = _state(payload)
    _add_outcome(db, signed, given, state)
    if state in _KIT_AFTER:
        _move_kit(db, kit, _KIT_AFTER[state], _BEFORE_OUTCOME, _text(payload["utc"]))
    _renew_worklists(db, given)
    return None if lease == given else f"{payload['typ']} without a lease of kit {kit!r}: {given}"


def _note_returned(db: sqlite3.Connection, signed: Signed) -> None:
    """Enter up to which lease a unit has given a subject's doses back, by its own word."""
    p, subject = signed.entry.payload, _text(signed.revealed.get("subject"))
    values = (_text(p["unit"]), subject, _count(p.get("sequence"), 0), _count(p.get("last_day"), 0))
    if subject:
        db.execute("INSERT OR REPLACE INTO returned (unit, subject, sequence, last_day) VALUES (?, ?, ?, ?)", values)


def _carried_over(jws_text: str) -> str | None:
    """Return what people must settle of a record that an ended epoch left: a dose in it is in no course yet."""
    try:
        payload = jws.parse(jws_text).payload
    except FormatError:
        return "carries over what is no record"
    if payload.get("typ") not in {"start", "dose"}:
        return None
    session = _text(payload.get("session"))
    return f"carries over the {payload['typ']} of {session}, which no course counts yet: settle it by two persons"


def _move_kit(db: sqlite3.Connection, kit: str, to: KitState, before: Set[KitState], at: str) -> None:
    """Move a kit as a record tells it; whatever the table had otherwise stays, and the record is kept all the same."""
    marks = ", ".join("?" * len(before))
    query = f"UPDATE kit SET state = ?, since = ? WHERE kit = ? AND state IN ({marks})"  # noqa: S608 - question marks
    db.execute(query, (to.value, at, kit, *(state.value for state in before)))


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
        " WHERE unit = ? OR unit IN (SELECT unit FROM ordered WHERE subject = ?)",
        (given.unit, given.subject),
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Json, unknown: int) -> int:
    return value if isinstance(value, int) else unknown
