"""Ending an epoch of a unit's ledger and beginning the next in the same file; nothing of the old one is changed."""

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.instant import Instant
from nebctl.core.ledger import envelope, tree
from nebctl.core.ledger.epoch import Permit, divergent, genesis
from nebctl.core.ledger.records import Draft, Entry
from nebctl.store import outbox, restored, schema
from nebctl.store.database import Database
from nebctl.store.faults import StoreFault, explain
from nebctl.store.migrate import migrate
from nebctl.store.sealing import EMPTY, Sealer, seal
from nebctl.store.writer import insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An epoch that was begun: up to where the one before is the pharmacy's too, and how many records lie beyond."""

    epoch: int
    fork_at: int
    divergent: int


def newest_epoch(path: Path) -> int:
    """Return the newest epoch in a unit's ledger; 1 where there is no ledger yet.

    Raises: `StoreFault` where the file is no database.
    """
    if not path.exists():
        return 1
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'log'").fetchone()
            return int(db.execute("SELECT coalesce(max(ep), 1) FROM log").fetchone()[0]) if found else 1
    except sqlite3.Error as error:
        raise explain(path, error) from error


def begin_epoch(path: Path, sealer: Sealer, permit: Permit, at: Instant) -> Begun:
    """Begin the epoch that a permit names, in the unit's ledger or in a new one where that is lost; the unit is off.

    Every record of the epoch before that the pharmacy does not hold is carried over in an `incident` record.
    Raises: `StoreFault` where the file is in use, or its newest epoch is not the one before; `FormatError` where the
    permit's head is none.
    """
    database, epoch = Database(path), sealer.stamp.epoch
    database.open()
    try:
        with database.reading() as db:
            version = schema.version_of(db)
            if 0 < version < schema.VERSION:
                migrate(db)
        with database.transaction() as db:
            if not version:
                schema.create(db)
            begun, carried = _carry_over(db, path, permit, epoch)
            first = genesis(permit, sealer.site, begun.fork_at, begun.divergent)
            sealed, tip = seal(sealer, EMPTY, (first, *carried), at)
            insert(db, sealed, tip)
            restored.close(db, restored.marks(db))  # what was missing is told by the new epoch's first record
        return begun
    finally:
        database.close()


def _carry_over(db: sqlite3.Connection, path: Path, permit: Permit, epoch: int) -> tuple[Begun, list[Draft]]:
    (newest,) = db.execute("SELECT max(ep) FROM log").fetchone()
    if newest is not None and newest != epoch - 1:
        raise StoreFault(
            seen=f"{path}: epoch {newest} is the newest",
            expected=f"epoch {epoch - 1}, before the permitted one",
            advice="Ask the pharmacy for a permit of the next epoch.",
        )
    entries = _entries(db, epoch - 1)
    fork_at = _fork_at(db, permit, epoch - 1, entries)
    beyond = entries[fork_at:]
    begun = Begun(epoch=epoch, fork_at=fork_at, divergent=len(beyond))
    return begun, [divergent(epoch - 1, entry) for entry in beyond]


def _entries(db: sqlite3.Connection, epoch: int) -> list[Entry]:
    rows = db.execute("SELECT seq, jws FROM log WHERE ep = ? ORDER BY seq", (epoch,)).fetchall()
    return [envelope.parse_entry(text, outbox.disclosures(db, epoch, seq)) for seq, text in rows]


def _fork_at(db: sqlite3.Connection, permit: Permit, epoch: int, entries: Sequence[Entry]) -> int:
    """Return up to which size both histories are surely the same: by the pharmacy's last head, or the last receipt."""
    kept = permit.last_head()
    if kept is not None and kept.size <= len(entries):
        own = tree.Frontier.of(entry.leaf for entry in entries[: kept.size]).root()
        if own == kept.root:
            return kept.size
    (receipted,) = db.execute("SELECT coalesce(max(size), 0) FROM receipt WHERE ep = ?", (epoch,)).fetchone()
    return min(int(receipted), len(entries), kept.size if kept else 0)
