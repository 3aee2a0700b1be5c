"""What still waits for the pharmacy's receipt, and what closes it: a verified receipt, never a broker's answer."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from nebctl.core.ledger import envelope, head
from nebctl.core.ledger.encoding import FormatError, unb64url
from nebctl.store.sealing import Sealer, Tip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record on its way to the pharmacy: its text, its disclosures, the head's signature line with its newline."""

    epoch: int
    seq: int
    jws: str
    disclosures: tuple[str, ...]
    head_line: str


class Backlog(NamedTuple):
    """How many records wait for a receipt, and the wall time of the oldest in Unix ns; None means that none waits."""

    waiting: int
    oldest_wall_ns: int | None


class Refusal(Enum):
    """Why a receipt was refused; ROLLBACK and FORK are evidence that this log and the pharmacy's have parted."""

    KEY = "key"
    FORMAT = "format"
    ROLLBACK = "rollback"
    FORK = "fork"


@dataclass(frozen=True, slots=True)
class Receipted:
    """The receipt is good: the pharmacy holds the first `size` records; `time_s` is its Unix time in seconds."""

    size: int
    time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefused:
    """The receipt was not taken: why, and what was seen and expected. Nothing was closed."""

    kind: Refusal
    seen: str
    expected: str

    @property
    def reason(self) -> str:
        """Return the refusal as one line for a person."""
        return f"receipt refused ({self.kind.value}): saw {self.seen}, expected {self.expected}"


def judge(db: sqlite3.Connection, sealer: Sealer, tip: Tip, text: str) -> Receipted | ReceiptRefused:
    """Return whether a countersigned head is by the pinned pharmacy key and over this very log."""
    if sealer.witness is None:
        return ReceiptRefused(kind=Refusal.KEY, seen="a receipt", expected="a configured pharmacy key to check it by")
    try:
        receipt = head.open_receipt(text, sealer.vkey, sealer.witness, sealer.verify)
    except FormatError as error:
        return ReceiptRefused(kind=Refusal.FORMAT, seen=f"{error.where} {error.seen}", expected=error.expected)
    size = receipt.checkpoint.size
    if size > tip.size:
        return ReceiptRefused(kind=Refusal.ROLLBACK, seen=f"{size} records", expected=f"at most this log's {tip.size}")
    if root_at(db, sealer, tip, size) != receipt.checkpoint.root:
        return ReceiptRefused(kind=Refusal.FORK, seen=f"another root at size {size}", expected="this log's own root")
    return Receipted(size, receipt.time_s)


def root_at(db: sqlite3.Connection, sealer: Sealer, tip: Tip, size: int) -> bytes:
    """Return the root of the first `size` records, which is what the record after them calls `prev`."""
    if size == tip.size:
        return tip.root
    query = "SELECT jws FROM log WHERE ep = ? AND seq = ?"
    row = db.execute(query, (sealer.stamp.epoch, size)).fetchone()
    return unb64url(str(envelope.parse_entry(str(row[0])).payload["prev"]))


def close_receipted(db: sqlite3.Connection, epoch: int, size: int, text: str) -> None:
    """Keep the receipt and take its records out of the outbox, inside the transaction that is open."""
    newest = db.execute("SELECT max(size) FROM receipt WHERE ep = ?", (epoch,)).fetchone()[0]
    if size > (newest or 0):
        db.execute("INSERT INTO receipt(ep, size, note) VALUES (?, ?, ?)", (epoch, size, text))
        db.execute("DELETE FROM outbox WHERE ep = ? AND seq < ?", (epoch, size))


def waiting(db: sqlite3.Connection, limit: int) -> list[Outgoing]:
    """Return the oldest records without a receipt, in order."""
    rows = db.execute(
        "SELECT ep, seq, jws, head_line FROM outbox JOIN log USING (ep, seq) ORDER BY ep, seq LIMIT ?", (limit,)
    ).fetchall()
    return [
        Outgoing(epoch=ep, seq=seq, jws=text, disclosures=disclosures(db, ep, seq), head_line=line)
        for ep, seq, text, line in rows
    ]


def backlog(db: sqlite3.Connection) -> Backlog:
    """Return how much waits and since when."""
    count = db.execute("SELECT count(*) FROM outbox").fetchone()[0]
    row = db.execute("SELECT jws FROM outbox JOIN log USING (ep, seq) ORDER BY ep, seq LIMIT 1").fetchone()
    if row is None:
        return Backlog(count, None)
    return Backlog(count, envelope.parse_utc(str(envelope.parse_entry(str(row[0])).payload["utc"])))


def disclosures(db: sqlite3.Connection, epoch: int, seq: int) -> tuple[str, ...]:
    """Return the disclosures kept beside one record, sorted."""
    query = "SELECT disc FROM disclosure WHERE ep = ? AND seq = ? ORDER BY disc"
    rows: Sequence[tuple[str]] = db.execute(query, (epoch, seq)).fetchall()
    return tuple(disc for (disc,) in rows)
