"""What is known of one kit or one lot, and that every kit of a lot is accounted for."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.records import Entry
from nebctl.pharmacy import stock


@dataclass(frozen=True, slots=True, kw_only=True)
class KitSheet:
    """A kit, its lot's state, and the dose that it is leased to: None throughout where it is dispensed to nobody."""

    kit: str
    lot: str
    lot_state: LotState
    expires: date
    state: KitState
    since: str
    thawed_at: str | None
    use_by: str | None
    subject: str | None
    day: int | None
    dose: int | None
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSheet:
    """A lot: its state, how many kits the signed log says were received, and how many are in each state."""

    lot: str
    state: LotState
    received: int
    kits: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Return whether every kit that was received is in exactly one state."""
        return self.received == sum(self.kits.values())


def kit_sheet(db: sqlite3.Connection, name: str) -> KitSheet:
    """Return what is known of a kit.

    Raises: `PharmacyFault` where it is unknown.
    """
    kit = stock.kit_of(db, name)
    query = "SELECT subject, day, dose, unit FROM ordered WHERE kit = ?"
    subject, day, dose, unit = db.execute(query, (name,)).fetchone() or (None, None, None, None)
    return KitSheet(
        kit=kit.kit,
        lot=kit.lot,
        lot_state=stock.lot_state(db, kit.lot),
        expires=kit.expires,
        state=kit.state,
        since=kit.since,
        thawed_at=kit.thawed_at,
        use_by=kit.use_by,
        subject=subject,
        day=day,
        dose=dose,
        unit=unit,
    )


def lot_sheet(db: sqlite3.Connection, lot: str, own: Sequence[Entry]) -> LotSheet:
    """Return a lot's account; `own` are the records of the pharmacy's log.

    Raises: `PharmacyFault` where the lot is unknown.
    """
    state = stock.lot_state(db, lot)
    counted = Counter(state for (state,) in db.execute("SELECT state FROM kit WHERE lot = ?", (lot,)))
    kits = {each.value: counted[each.value] for each in KitState if counted[each.value]}
    return LotSheet(lot=lot, state=state, received=sum(_received(entry, lot) for entry in own), kits=kits)


def _received(entry: Entry, lot: str) -> int:
    received = entry.payload.get("received")
    if entry.payload["typ"] != "kit" or not isinstance(received, list):
        return 0
    return sum(isinstance(each, dict) and each.get("lot") == lot for each in received)
