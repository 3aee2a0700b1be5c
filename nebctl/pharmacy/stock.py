"""Lots and kits: every step is one of the tables in `core.kits`, and a signed record first."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.kits import GIVABLE, Illegal, KitState, LotState, move_kit, move_lot
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import PHARMACIST
from nebctl.pharmacy import labels
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.faults import PharmacyFault

LABEL = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKit:
    """A kit as it is received; `expires` is the last date on which it may be given.

    `gtin` and `serial` are what its maker's code says; both "" where it has none, and the site prints its label.
    """

    kit: str
    lot: str
    expires: date
    gtin: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """A kit as the table has it; `thawed_at` and `use_by` are UTC texts, None where there is no such time."""

    kit: str
    lot: str
    expires: date
    state: KitState
    since: str
    thawed_at: str | None
    use_by: str | None


def add_lot(books: Books, lot: str, by: str) -> None:
    """Take a lot in; it stands in quarantine until it is released.

    Raises: `PharmacyFault` where the label is malformed, the lot known, or the person no pharmacist.
    """
    books.person(by, PHARMACIST)
    if not LABEL.fullmatch(lot):
        raise PharmacyFault(f"lot {lot!r}", "capitals, digits and hyphens", "Read it from the label.")
    with books.change() as sign:
        if books.db.execute("SELECT 1 FROM lot WHERE lot = ?", (lot,)).fetchone():
            raise PharmacyFault(f"lot {lot} known before", "a new lot", "Nothing was changed.")
        state = LotState.QUARANTINED.value
        sign(_event("lot", by, lot=lot, before=None, to=state))
        books.db.execute("INSERT INTO lot (lot, state, since) VALUES (?, ?, ?)", (lot, state, books.now))


def change_lot(books: Books, lot: str, to: LotState, by: str, reason: str) -> None:
    """Release, quarantine or recall a lot, and let every unit know.

    Raises: `PharmacyFault` where the lot is unknown or the step illegal.
    """
    books.person(by, PHARMACIST)
    with books.change() as sign:
        state = lot_state(books.db, lot)
        moved = move_lot(state, to)
        if isinstance(moved, Illegal):
            raise _illegal(f"lot {lot}", moved)
        sign(_event("lot", by, reason, lot=lot, before=state.value, to=to.value))
        books.db.execute("UPDATE lot SET state = ?, since = ? WHERE lot = ?", (to.value, books.now, lot))
        books.renew_worklists()


def import_kits(books: Books, kits: Sequence[NewKit], by: str) -> None:
    """Receive kits of known lots into quarantine, all or none.

    Raises: `PharmacyFault` where a kit, its code or its lot does not fit.
    """
    study = books.book.regimen.study
    books.person(by, PHARMACIST)
    with books.change() as sign:
        for kit in kits:
            lot_state(books.db, kit.lot)
            if books.db.execute("SELECT 1 FROM kit WHERE kit = ?", (kit.kit,)).fetchone():
                raise PharmacyFault(f"kit {kit.kit} known before", "a new kit", "Nothing was imported.")
            if why := labels.why_bad(kit.kit, kit.lot, kit.gtin, kit.serial):
                raise PharmacyFault(f"kit {kit.kit}", why, "Nothing was imported.")
        codes = [labels.code_of(kit.kit, kit.gtin, kit.serial, study) for kit in kits]
        labels.refuse_twice(books.db, codes, study)
        received = [_received(kit, code) for kit, code in zip(kits, codes, strict=True)]
        states = (KitState.RECEIVED.value, KitState.QUARANTINED.value)
        sign(Draft(typ="kit", facts={"received": received, "through": [*states]}, private={"operator": by}))
        books.db.executemany(
            "INSERT INTO kit (kit, lot, expires, state, since, gtin, serial) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (kit.kit, kit.lot, kit.expires.isoformat(), states[-1], books.now, *code)
                for kit, code in zip(kits, codes, strict=True)
            ],
        )
        books.renew_worklists()


def _received(kit: NewKit, code: tuple[str, str]) -> Json:
    gtin, serial = code
    return {"kit": kit.kit, "lot": kit.lot, "expires": str(kit.expires), "gtin": gtin, "serial": serial}


def change_kits(books: Books, names: Sequence[str], to: KitState, by: str, reason: str) -> None:
    """Move kits one step, all or none, and let every unit know.

    Raises: `PharmacyFault` where a kit is unknown, a step illegal, or a kit to be released is of a lot that is not.
    """
    books.person(by, PHARMACIST)
    with books.change() as sign:
        for name in names:
            kit = kit_of(books.db, name)
            if to is KitState.RELEASED:
                require_released(books.db, kit.lot)
            step(kit, to)
            sign(_event("kit", by, reason, kit=name, lot=kit.lot, before=kit.state.value, to=to.value))
            put(books.db, name, to, books.now)
            if kit.state in GIVABLE:  # an opened one may have been given from: its dose stays bound
                _free_lease(books.db, name)
        books.renew_worklists()


def _free_lease(db: sqlite3.Connection, name: str) -> None:
    """Let the dose of a kit that left its subject unopened have another kit; an ended dose keeps its kit."""
    done = "SELECT 1 FROM outcome o WHERE (o.subject, o.day, o.dose) = (ordered.subject, ordered.day, ordered.dose)"
    # The end of the lease stays: a unit that was not heard since may still start by it, whatever is dispensed next.
    free = f"UPDATE ordered SET kit = NULL WHERE kit = ? AND NOT EXISTS ({done})"  # noqa: S608 - a constant
    db.execute(free, (name,))


def thaw(books: Books, name: str, by: str) -> str | None:
    """Note that a kit was thawed now, and return until when it may be used; None where the site sets no such time.

    Raises: `PharmacyFault` where it is not dispensed, was thawed before, or is unknown.
    """
    books.person(by, PHARMACIST)
    with books.change() as sign:
        kit = kit_of(books.db, name)
        if kit.state not in GIVABLE:
            raise PharmacyFault(f"kit {name} {kit.state.value}", "a dispensed kit", "Dispense it first.")
        if kit.thawed_at:
            seen = f"kit {name} thawed at {kit.thawed_at}"
            raise PharmacyFault(seen, "a kit that was never thawed", "A kit is thawed once; take another.")
        in_use_ns = books.book.rules.in_use_ns
        use_by = None if in_use_ns is None else envelope.utc_text(books.at.wall_ns + in_use_ns)
        sign(_event("kit", by, kit=name, lot=kit.lot, thawed_at=books.now, use_by=use_by))
        books.db.execute("UPDATE kit SET thawed_at = ?, use_by = ? WHERE kit = ?", (books.now, use_by, name))
        books.renew_worklists()
    return use_by


def lot_state(db: sqlite3.Connection, lot: str) -> LotState:
    """Return a lot's state.

    Raises: `PharmacyFault` where the lot is unknown.
    """
    row = db.execute("SELECT state FROM lot WHERE lot = ?", (lot,)).fetchone()
    if row is None:
        raise PharmacyFault(f"lot {lot}", "a known lot", "Add it first: nebctl pharmacy lot add.")
    return LotState(row[0])


def require_released(db: sqlite3.Connection, lot: str) -> None:
    """Check that a lot is released.

    Raises: `PharmacyFault` where it is not.
    """
    state = lot_state(db, lot)
    if state is LotState.RECALLED:
        raise PharmacyFault(f"lot {lot} {state.value}", "a released lot", "Its kits are never given; return them.")
    if state is not LotState.RELEASED:
        raise PharmacyFault(f"lot {lot} {state.value}", "a released lot", "Release the lot first, or use another.")


def kit_of(db: sqlite3.Connection, name: str) -> Kit:
    """Return a kit.

    Raises: `PharmacyFault` where it is unknown.
    """
    query = "SELECT kit, lot, expires, state, since, thawed_at, use_by FROM kit WHERE kit = ?"
    row = db.execute(query, (name,)).fetchone()
    if row is None:
        raise PharmacyFault(f"kit {name}", "a known kit", "Import it first: nebctl pharmacy kit import.")
    kit, lot, expires, state, since, thawed_at, use_by = row
    return Kit(
        kit=kit,
        lot=lot,
        expires=date.fromisoformat(expires),
        state=KitState(state),
        since=since,
        thawed_at=thawed_at,
        use_by=use_by,
    )


def step(kit: Kit, to: KitState) -> None:
    """Check that a kit can go to a state.

    Raises: `PharmacyFault` with what can happen instead.
    """
    moved = move_kit(kit.state, to)
    if isinstance(moved, Illegal):
        raise _illegal(f"kit {kit.kit}", moved)


def put(db: sqlite3.Connection, name: str, to: KitState, at: str) -> None:
    """Write a kit's new state."""
    db.execute("UPDATE kit SET state = ?, since = ? WHERE kit = ?", (to.value, at, name))


def _illegal(name: str, illegal: Illegal) -> PharmacyFault:
    can = ", ".join(state.value for state in illegal.can) or "nothing: this is its end"
    return PharmacyFault(
        f"{name} {illegal.state.value}, to become {illegal.to.value}", f"a step to {can}", "Nothing was changed."
    )


def _event(typ: str, by: str, text: str = "", **facts: str | None) -> Draft:
    return Draft(typ=typ, facts=facts, private={"operator": by, **({"text": text} if text else {})})
