"""By which keys a unit's records are checked: the enrolled one, those it was handed over to, and the revoked."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.ledger.head import kid
from nebctl.core.ledger.keyring import KeyRing, Span
from nebctl.core.ledger.note import Vkey


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key of the epoch that counts no more: its ID, 8 hex digits, and since when, as UTC text."""

    kid: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitKeys:
    """The keys of one epoch; `closed_by` is the newer epoch that ended it, None where it is the newest."""

    ring: KeyRing
    revoked: tuple[Revoked, ...] = ()
    closed_by: int | None = None

    def revocation(self, vkey: Vkey) -> Revoked | None:
        """Return the revocation of a key; None means that it counts."""
        return next((each for each in self.revoked if each.kid == kid(vkey)), None)


def keys_of(db: sqlite3.Connection, unit: str, epoch: int) -> UnitKeys | None:
    """Return the keys of a unit's epoch; None means that no key is enrolled for it."""
    row = db.execute("SELECT vkey FROM unit_key WHERE (unit, ep) = (?, ?)", (unit, epoch)).fetchone()
    if row is None:
        return None
    later = db.execute("SELECT vkey, first FROM rotated WHERE (unit, ep) = (?, ?) ORDER BY first", (unit, epoch))
    spans = [Span(Vkey.parse(row[0]), 0), *(Span(Vkey.parse(text), first) for text, first in later)]
    revoked = db.execute("SELECT kid, at FROM revoked WHERE (unit, ep) = (?, ?) ORDER BY at", (unit, epoch))
    (newest,) = db.execute("SELECT max(ep) FROM unit_key WHERE unit = ?", (unit,)).fetchone()
    return UnitKeys(
        ring=KeyRing(tuple(spans)),
        revoked=tuple(Revoked(key, at) for key, at in revoked),
        closed_by=newest if newest > epoch else None,
    )


def note_spans(db: sqlite3.Connection, unit: str, epoch: int, spans: Sequence[Span]) -> None:
    """Enter the keys that a unit's own `key` records handed it over to, inside the transaction that is open."""
    db.executemany(
        "INSERT INTO rotated VALUES (?, ?, ?, ?)", [(unit, epoch, span.first, span.vkey.text()) for span in spans]
    )
