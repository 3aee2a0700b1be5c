"""A unit's hello: how its log stands against what is kept of it, and the signed answer."""

import sqlite3
from dataclasses import dataclass

from nebctl.core.ledger import envelope, tree
from nebctl.core.ledger.encoding import unb64url
from nebctl.core.ledger.head import Checkpoint, origin
from nebctl.core.ledger.hello import Answer, Hello, Parted, compare
from nebctl.core.ledger.restore import BATCH, format_restored
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.orders import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeted:
    """The answer to a hello as a signed note; `parted` says how the unit's log disagrees, None that it does not.

    `restored` are messages that carry records back which the unit has lost and asked for.
    """

    note: str
    kept: Checkpoint
    parted: Parted | None
    restored: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return what is wrong as one line."""
        what = "it was put back to an older copy" if self.parted is Parted.ROLLBACK else "it holds other records"
        return f"{self.kept.size} records are kept of {self.kept.origin}: {what}"


def greet(db: sqlite3.Connection, desk: Desk, unit: str, body: bytes, at_ns: int) -> Greeted | None:
    """Return the answer to a hello; None means that neither the unit nor its epoch is enrolled.

    A hello that disagrees is counted like a refused record. It is not signed, so it proves nothing.
    Raises: `FormatError` where it is none.
    """
    hello = Hello.parse(body)
    (epoch,) = db.execute("SELECT max(ep) FROM unit_key WHERE unit = ?", (unit,)).fetchone()
    if epoch is None or hello.epoch > epoch:
        return None
    kept = kept_of(db, desk.site, unit, epoch)
    parted = _compare(db, unit, kept, Checkpoint(origin(desk.site, unit, hello.epoch), hello.size, hello.root))
    if parted is not None:
        _count(db, unit, parted, at_ns)
    note = Answer(nonce=hello.nonce, kept=kept).note(desk.key_name, desk.signer)
    restored = () if hello.want is None or hello.epoch != epoch else _restored(db, (unit, epoch, hello.want))
    return Greeted(note=note, kept=kept, parted=parted, restored=restored)


def _restored(db: sqlite3.Connection, begin: tuple[str, int, int]) -> tuple[str, ...]:
    """Return a batch of messages with records, from a unit's epoch and place on."""
    query = "SELECT seq, jws FROM rec WHERE unit = ? AND ep = ? AND seq >= ? ORDER BY seq LIMIT ?"
    beside = "SELECT disc FROM disclosure WHERE (unit, ep, seq) = (?, ?, ?) ORDER BY disc"
    return tuple(
        format_restored(text, [disc for (disc,) in db.execute(beside, (*begin[:2], seq))])
        for seq, text in db.execute(query, (*begin, BATCH)).fetchall()
    )


def kept_of(db: sqlite3.Connection, site: str, unit: str, epoch: int) -> Checkpoint:
    """Return the tree over what is committed of a unit's epoch."""
    row = db.execute("SELECT size, frontier FROM tip WHERE unit = ? AND ep = ?", (unit, epoch)).fetchone()
    if row is None:
        return Checkpoint(origin(site, unit, epoch), 0, tree.EMPTY_ROOT)
    nodes = tuple(row[1][at : at + 32] for at in range(0, len(row[1]), 32))
    return Checkpoint(origin(site, unit, epoch), row[0], tree.Frontier(row[0], nodes).root())


def _compare(db: sqlite3.Connection, unit: str, kept: Checkpoint, theirs: Checkpoint) -> Parted | None:
    """Return how the unit's tree disagrees; where the unit has more, only its records will tell."""
    parted = compare(kept, theirs, lambda size: theirs.root if size == theirs.size else kept.root)
    if parted is not Parted.ROLLBACK or theirs.origin != kept.origin:
        return parted
    row = db.execute(
        "SELECT jws FROM rec WHERE (unit, ep, seq) = (?, ?, ?)", (unit, _epoch_of(kept), theirs.size)
    ).fetchone()
    before = unb64url(str(envelope.parse_entry(row[0]).payload["prev"]))
    return Parted.ROLLBACK if before == theirs.root else Parted.FORK


def _epoch_of(checkpoint: Checkpoint) -> int:
    return int(checkpoint.origin.rpartition("/")[2])


def _count(db: sqlite3.Connection, unit: str, parted: Parted, at_ns: int) -> None:
    with transaction(db):
        db.execute(
            "INSERT INTO refusal VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE"
            " SET count = count + 1, last_at = excluded.last_at",
            (unit, f"hello-{parted.value}", envelope.utc_text(at_ns)),
        )
