"""What is known of one unit: its epochs and their keys, what is kept of each, and the evidence against it."""

import sqlite3
from dataclasses import dataclass

from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.head import kid
from nebctl.pharmacy.intake_sheet import NotKept
from nebctl.pharmacy.unit_keys import keys_of
from nebctl.publish.topics import parse_record


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """One key of an epoch: its ID, its fingerprint, from which record on it signs, and when it was revoked (None)."""

    kid: str
    sha256: str
    first: int
    revoked: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLine:
    """One epoch: its origin, how many records are kept and receipted, and its keys, oldest first."""

    origin: str
    records: int
    receipted: int
    keys: tuple[KeyLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """A record under the unit's good signature that was not kept: why, since when, and its place.

    `typ` is its type; `kept` whether another record is kept at that place, which proves two histories under one key.
    Where the record cannot be read, `epoch` and `seq` are None and `typ` is "".
    """

    reason: str
    got_at: str
    epoch: int | None
    seq: int | None
    typ: str
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSheet:
    """Everything about one unit."""

    unit: str
    epochs: tuple[EpochLine, ...]
    not_kept: tuple[NotKept, ...]
    evidence: tuple[EvidenceLine, ...]


def unit_sheet(db: sqlite3.Connection, unit: str) -> UnitSheet | None:
    """Return what is known of a unit; None where it is not enrolled."""
    epochs = [epoch for (epoch,) in db.execute("SELECT ep FROM unit_key WHERE unit = ? ORDER BY ep", (unit,))]
    if not epochs:
        return None
    refused = db.execute("SELECT reason, count, last_at FROM refusal WHERE unit = ? ORDER BY reason", (unit,))
    evidence = db.execute("SELECT reason, body, got_at FROM evidence WHERE unit = ? ORDER BY got_at, rowid", (unit,))
    return UnitSheet(
        unit=unit,
        epochs=tuple(_epoch(db, unit, epoch) for epoch in epochs),
        not_kept=tuple(NotKept(reason=reason, count=count, last_at=at) for reason, count, at in refused.fetchall()),
        evidence=tuple(_evidence(db, unit, *row) for row in evidence.fetchall()),
    )


def _epoch(db: sqlite3.Connection, unit: str, epoch: int) -> EpochLine:
    keys = keys_of(db, unit, epoch)
    assert keys is not None
    records, receipted = (
        (db.execute(f"SELECT size FROM {table} WHERE (unit, ep) = (?, ?)", (unit, epoch)).fetchone() or (0,))[0]  # noqa: S608
        for table in ("tip", "witness")
    )
    lines = []
    for span in keys.ring.spans:
        revoked = keys.revocation(span.vkey)
        at = revoked.at if revoked else None
        lines.append(KeyLine(kid=kid(span.vkey), sha256=span.vkey.fingerprint(), first=span.first, revoked=at))
    return EpochLine(origin=keys.ring.newest.name, records=records, receipted=receipted, keys=tuple(lines))


def _evidence(db: sqlite3.Connection, unit: str, reason: str, body: bytes, got_at: str) -> EvidenceLine:
    parts = parse_record(body)
    try:
        payload = jws.parse(parts.jws).payload if parts else {}
    except FormatError:
        payload = {}
    epoch, seq = payload.get("ep"), payload.get("seq")
    if not isinstance(epoch, int) or not isinstance(seq, int):
        return EvidenceLine(reason=reason, got_at=got_at, epoch=None, seq=None, typ="", kept=False)
    kept = db.execute("SELECT 1 FROM rec WHERE (unit, ep, seq) = (?, ?, ?)", (unit, epoch, seq)).fetchone()
    typ = str(payload.get("typ"))
    return EvidenceLine(reason=reason, got_at=got_at, epoch=epoch, seq=seq, typ=typ, kept=kept is not None)
