"""What the writer proves before it takes the first record: that the file holds this unit's log, whole."""

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from nebctl.core.ledger import envelope, head, jws, note, tree
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.keyring import KeyRing, find_ring, open_head_by, open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.ports import Verifier
from nebctl.store import schema
from nebctl.store.faults import NEW_EPOCH, StoreFault
from nebctl.store.sealing import Sealer, Tip

BLOCK = 4096
"""Records that are read at a time."""
_EXAMINE = "Start nothing; keep the file as it is and examine it with `nebctl ledger verify`."


def is_new(db: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file holds nothing at all yet.

    Raises: `StoreFault` where it holds something that is not a unit's ledger of this version or an earlier one.
    """
    version = schema.version_of(db)
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchall():
        return True
    if not 1 <= version <= schema.VERSION:
        raise StoreFault(
            seen=f"{path}: a database of version {version}",
            expected=f"a unit's ledger of version 1 to {schema.VERSION}",
            advice="Check the path, and that this nebctl is not older than the file.",
        )
    if changed := schema.altered(db):
        raise StoreFault(
            seen=f"{path}: {changed[0]} changed or missing",
            expected="the tables and guards that nebctl made",
            advice=_EXAMINE,
        )
    return False


def find_keys(db: sqlite3.Connection, sealer: Sealer, *, may_lack_key: bool = False) -> Sealer:
    """Return the sealer with every key of its epoch's log, the last of which must be its own.

    With `may_lack_key` one that the log does not name at all is taken too; it may not sign.
    Raises: `StoreFault` where the log was handed over to another key than the sealer's.
    """
    epoch = sealer.stamp.epoch
    ring = ring_of(db, epoch, _first_key(_text_at(db, epoch, 0), sealer.vkey), sealer.verify)
    earlier = sealer.vkey in [span.vkey for span in ring.spans[:-1]]
    if ring.newest == sealer.vkey or (may_lack_key and not earlier):
        return replace(sealer, ring=ring)
    raise StoreFault(
        seen=f"a key file that holds key {head.kid(sealer.vkey)}",
        expected=f"key {head.kid(ring.newest)}, to which the log of {sealer.vkey.name} was handed over last",
        advice=_HANDED_OVER if earlier else _NOT_NAMED,
        lasting=True,
    )


_HANDED_OVER = (
    "Was a rotation cut off? Then call `nebctl keys rotate` again. Else put the right key file back. "
    f"Where that is lost, {NEW_EPOCH}"
)
_NOT_NAMED = (
    "Put the right key file back. Where a unit's copy from before a rotation was restored, start that unit first where "
    "it reaches the pharmacy."
)


def ring_of(db: sqlite3.Connection, epoch: int, first: Vkey, verify: Verifier) -> KeyRing:
    """Return the keys of an epoch's log from its first on, as far as `key` records prove them."""
    (size,) = db.execute("SELECT coalesce(max(seq), -1) + 1 FROM log WHERE ep = ?", (epoch,)).fetchone()
    return find_ring(first, size, partial(_text_at, db, epoch), verify)


def _text_at(db: sqlite3.Connection, epoch: int, seq: int) -> str:
    row = db.execute("SELECT jws FROM log WHERE ep = ? AND seq = ?", (epoch, seq)).fetchone()
    return str((row or ("",))[0])


def _first_key(text: str, own: Vkey) -> Vkey:
    """Return the key that the first record names; the unit's own where it names none, and the check then tells."""
    try:
        return Vkey.parse(str(envelope.parse_entry(text).payload.get("vkey")))
    except FormatError:
        return own


def check(db: sqlite3.Connection, sealer: Sealer) -> Tip:
    """Return where the log stands, its root recomputed from the leaves and found equal to head and last receipt.

    Raises: `StoreFault` naming unit, epoch and sequence where anything differs.
    """
    epoch = sealer.stamp.epoch
    row = db.execute("SELECT note FROM head WHERE ep = ?", (epoch,)).fetchone()
    if row is None:
        raise _differs(sealer, 0, "no signed head", "a head over the records")
    head_note = str(row[0])
    try:
        checkpoint = open_head_by(head_note, sealer.keys, sealer.verify)
    except FormatError as error:
        raise _differs(sealer, 0, f"{error.where}: {error.seen}", f"{error.expected}, this unit's own") from error
    frontier = _recompute(db, sealer, checkpoint)
    _check_last(db, sealer, checkpoint.size)
    return Tip(frontier=frontier, root=checkpoint.root, head_note=head_note)


def _recompute(db: sqlite3.Connection, sealer: Sealer, checkpoint: head.Checkpoint) -> tree.Frontier:
    leaves = _leaves(db, sealer)
    receipt = _last_receipt(db, sealer)
    early = tree.Frontier.of(itertools.islice(leaves, receipt.size))
    if (early.size, early.root()) != (receipt.size, receipt.root):
        seen, expected = f"{early.size} records", f"the {receipt.size} that the pharmacy receipted"
        raise _differs(sealer, early.size, seen if early.size < receipt.size else "another root", expected)
    frontier = early.extend(leaves)
    if frontier.size != checkpoint.size:
        raise _differs(sealer, frontier.size, f"{frontier.size} records", f"the {checkpoint.size} of the signed head")
    if frontier.root() != checkpoint.root:
        raise _differs(sealer, frontier.size - 1, "another root", "the root of the signed head")
    return frontier


def _leaves(db: sqlite3.Connection, sealer: Sealer) -> Iterator[bytes]:
    rows = db.execute("SELECT seq, leaf FROM log WHERE ep = ? ORDER BY seq", (sealer.stamp.epoch,))
    expected = 0
    while block := rows.fetchmany(BLOCK):
        seqs = [seq for seq, _ in block]
        if seqs != list(range(expected, expected + len(seqs))):
            at, seq = next((at, seq) for at, seq in enumerate(seqs, expected) if at != seq)
            raise _differs(sealer, at, f"record {seq} next", f"record {at}")
        yield from (leaf for _, leaf in block)
        expected += len(block)


def _last_receipt(db: sqlite3.Connection, sealer: Sealer) -> head.Checkpoint:
    """Return the largest receipted head; of no receipt, the empty tree's."""
    query = "SELECT note FROM receipt WHERE ep = ? ORDER BY size DESC LIMIT 1"
    row = db.execute(query, (sealer.stamp.epoch,)).fetchone()
    if row is None:
        return head.Checkpoint(sealer.vkey.name, 0, tree.EMPTY_ROOT)
    try:
        return _open_receipt(str(row[0]), sealer)
    except FormatError as error:
        raise _differs(sealer, 0, f"last receipt, {error.where}: {error.seen}", error.expected) from error


def _open_receipt(text: str, sealer: Sealer) -> head.Checkpoint:
    if sealer.witness is None:
        size = head.Checkpoint.parse(note.parse_note(text).text).size
        return head.open_head(text, sealer.keys.of_head(size)[-1], sealer.verify)
    return open_receipt_by(text, sealer.keys, sealer.witness, sealer.verify).checkpoint


def _check_last(db: sqlite3.Connection, sealer: Sealer, size: int) -> None:
    query = "SELECT leaf, jws FROM log WHERE ep = ? AND seq = ?"
    row = db.execute(query, (sealer.stamp.epoch, size - 1)).fetchone()
    if row is None:
        raise _differs(sealer, 0, "no record", "at least the first, which is written with the file")
    try:
        entry = envelope.parse_entry(str(row[1]))
        parsed = jws.parse(entry.jws)
    except FormatError as error:
        raise _differs(sealer, size - 1, f"{error.where}: {error.seen}", error.expected) from error
    if entry.leaf != bytes(row[0]):
        raise _differs(sealer, size - 1, "a record with another hash", "the record of its leaf")
    if not sealer.verify(sealer.keys.of_record(size - 1).public, parsed.signing_input, parsed.signature):
        raise _differs(sealer, size - 1, "a record not signed by this unit's key", "this unit's signature")


def _differs(sealer: Sealer, seq: int, seen: str, expected: str) -> StoreFault:
    where = f"unit {sealer.stamp.unit} epoch {sealer.stamp.epoch} seq {seq}"
    return StoreFault(seen=f"{where}: {seen}", expected=expected, advice=_EXAMINE, lasting=True)
