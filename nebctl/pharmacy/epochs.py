"""Two pharmacists end what a key or a log is trusted for: a revoked key takes nothing in, a new epoch begins anew."""

import sqlite3
from dataclasses import dataclass

from nebctl.core.ledger import head
from nebctl.core.ledger.epoch import Permit
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import PHARMACIST
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.unit_keys import UnitKeys, keys_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What two pharmacists decide about a unit's key or log, and why."""

    unit: str
    by: str
    second: str
    reason: str


def revoke(books: Books, wish: Decision) -> Vkey:
    """Revoke the key that signs a unit's records now, and return it: nothing that it signs is taken in any more.

    Raises: `PharmacyFault` where the unit is unknown, its key is revoked already, or the two persons may not.
    """
    books.two_persons(wish.by, wish.second, PHARMACIST)
    epoch, keys = _newest(books.db, wish.unit)
    vkey = keys.ring.newest
    if revoked := keys.revocation(vkey):
        raise PharmacyFault(f"key {revoked.kid} revoked {revoked.at}", "a key that counts", "Open a new epoch.")
    with books.change() as sign:
        seq = sign(_event(wish, vkey, "revoked"))
        values = (wish.unit, epoch, head.kid(vkey), books.now, seq)
        books.db.execute("INSERT INTO revoked VALUES (?, ?, ?, ?, ?)", values)
    return vkey


def open_epoch(books: Books, wish: Decision, vkey: Vkey) -> Permit:
    """Enrol the key of a unit's next epoch, end the one before, and return what permits the unit to begin it.

    Raises: `PharmacyFault` where the key is not of the next epoch or was revoked, or the two persons may not.
    """
    books.two_persons(wish.by, wish.second, PHARMACIST)
    epoch, _ = _newest(books.db, wish.unit)
    wanted = head.origin(books.log.site, wish.unit, epoch + 1)
    if vkey.name != wanted or vkey.type != ED25519:
        advice = f"Publish the unit's key under that name: nebctl keys publish KEY --name {wanted}."
        raise PharmacyFault(f"the key {vkey.name}", f"a signing key named {wanted}", advice)
    _refuse_revoked(books.db, wish.unit, vkey)
    row = books.db.execute("SELECT note FROM witness WHERE (unit, ep) = (?, ?)", (wish.unit, epoch)).fetchone()
    with books.change() as sign:
        sign(_event(wish, vkey, "epoch-opened"))
        values = (wish.unit, epoch + 1, vkey.text(), books.now)
        books.db.execute("INSERT INTO unit_key VALUES (?, ?, ?, ?)", values)
    return Permit(vkey=vkey, last=row[0] if row else None)


def _newest(db: sqlite3.Connection, unit: str) -> tuple[int, UnitKeys]:
    (epoch,) = db.execute("SELECT max(ep) FROM unit_key WHERE unit = ?", (unit,)).fetchone()
    keys = None if epoch is None else keys_of(db, unit, epoch)
    if keys is None:
        raise PharmacyFault(f"unit {unit}", "an enrolled unit", "Enrol it first: nebctl pharmacy enrol-unit.")
    return epoch, keys


def _refuse_revoked(db: sqlite3.Connection, unit: str, vkey: Vkey) -> None:
    for (epoch,) in db.execute("SELECT ep FROM unit_key WHERE unit = ?", (unit,)).fetchall():
        keys = keys_of(db, unit, epoch)
        for span in keys.ring.spans if keys else ():
            if keys and span.vkey.public == vkey.public and (revoked := keys.revocation(span.vkey)):
                seen = f"a key that was revoked as {revoked.kid} on {revoked.at}"
                raise PharmacyFault(seen, "a new key", "Make one on the unit: nebctl keys create FILE.")


def _event(wish: Decision, vkey: Vkey, what: str) -> Draft:
    facts: dict[str, Json] = {"for_unit": wish.unit, "vkey": vkey.text(), "event": what}
    private: dict[str, Json] = {"operator": wish.by, "second": wish.second, "text": wish.reason}
    return Draft(typ="key", facts=facts, private=private)
