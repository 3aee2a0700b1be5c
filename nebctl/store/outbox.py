"""What still waits for the pharmacy's receipt, and what closes it: a verified receipt, never a broker's answer."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from nebctl.core.ledger import envelope, head
from nebctl.core.ledger.encoding import FormatError, unb64url
from nebctl.core.ledger.hello import Answer, Parted, compare
from nebctl.core.ledger.keyring import open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.signing import Verifier
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
    """Why the pharmacy's word was refused; ROLLBACK and FORK prove that this log and the pharmacy's have parted."""

    KEY = "key"
    FORMAT = "format"
    NONCE = "nonce"
    ROLLBACK = "rollback"
    FORK = "fork"


@dataclass(frozen=True, slots=True)
class Receipted:
    """The receipt is good: the pharmacy holds the first `size` records; `time_s` is its Unix time in seconds."""

    size: int
    time_s: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """The pharmacy answers that it keeps the first `size` records of this log, and they are the same."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefused:
    """A receipt, or an answer to a hello, was not taken: why, and what was seen and expected. Nothing was closed.

    `kept` is how the pharmacy says that the log stands there; None where it does not say, or not under its signature.
    `own` is how this log stands.
    """

    kind: Refusal
    seen: str
    expected: str
    what: str = "receipt"
    kept: head.Checkpoint | None = None
    own: head.Checkpoint | None = None

    @property
    def reason(self) -> str:
        """Return the refusal as one line for a person."""
        return f"{self.what} refused ({self.kind.value}): saw {self.seen}, expected {self.expected}"


def judge(db: sqlite3.Connection, sealer: Sealer, tip: Tip, text: str) -> Receipted | ReceiptRefused:
    """Return whether a countersigned head is by the pinned pharmacy key and over this very log."""
    if sealer.witness is None:
        return ReceiptRefused(kind=Refusal.KEY, seen="a receipt", expected="a configured pharmacy key to check it by")
    try:
        receipt = open_receipt_by(text, sealer.keys, sealer.witness, _verifier(sealer, tip, text))
    except FormatError as error:
        return ReceiptRefused(kind=Refusal.FORMAT, seen=f"{error.where} {error.seen}", expected=error.expected)
    kept = receipt.checkpoint
    own = tip_of(sealer, tip)
    parted = compare(kept, own, lambda size: root_at(db, sealer, tip, size))
    return _parted("receipt", parted, kept, own) if parted else Receipted(kept.size, receipt.time_s)


def _verifier(sealer: Sealer, tip: Tip, text: str) -> Verifier:
    """Return what checks the signatures of a receipt: its own line, where it is the newest head's to the byte, is good.

    That is so for most receipts, and a signature that was made here needs no check.
    """
    if not tip.head_note or not text.startswith(tip.head_note):
        return sealer.verify
    own = sealer.signer.public
    return lambda public, message, signature: public == own or sealer.verify(public, message, signature)


def judge_answer(
    db: sqlite3.Connection, sealer: Sealer, tip: Tip, text: str, nonce: str, orders: Vkey
) -> Agreed | ReceiptRefused:
    """Return whether the pharmacy, asked with this nonce, keeps the beginning of this very log and no more."""
    try:
        answer = Answer.open(text, orders, sealer.verify)
        if answer.nonce != nonce:
            return ReceiptRefused(kind=Refusal.NONCE, seen=answer.nonce, expected=f"nonce {nonce}", what="answer")
        own = tip_of(sealer, tip)
        parted = compare(answer.kept, own, lambda size: root_at(db, sealer, tip, size))
    except FormatError as error:
        seen = f"{error.where} {error.seen}"
        return ReceiptRefused(kind=Refusal.FORMAT, seen=seen, expected=error.expected, what="answer")
    return _parted("answer", parted, answer.kept, own) if parted else Agreed(answer.kept.size)


def _parted(what: str, parted: Parted, kept: head.Checkpoint, own: head.Checkpoint) -> ReceiptRefused:
    seen, expected = f"another root at size {kept.size}", "this log's own root"
    if parted is Parted.ROLLBACK:
        seen, expected = f"{kept.size} records of {kept.origin}", f"at most this log's {own.size}"
    return ReceiptRefused(kind=Refusal(parted.value), seen=seen, expected=expected, what=what, kept=kept, own=own)


def tip_of(sealer: Sealer, tip: Tip) -> head.Checkpoint:
    """Return how this unit's own tree stands."""
    return head.Checkpoint(sealer.vkey.name, tip.size, tip.root)


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


def waiting(db: sqlite3.Connection, epoch: int, limit: int) -> list[Outgoing]:
    """Return the oldest records of an epoch without a receipt, in order; those of an ended one wait for none."""
    query = "SELECT ep, seq, jws, head_line FROM outbox JOIN log USING (ep, seq) WHERE ep = ? ORDER BY seq LIMIT ?"
    rows = db.execute(query, (epoch, limit)).fetchall()
    return [
        Outgoing(epoch=ep, seq=seq, jws=text, disclosures=disclosures(db, ep, seq), head_line=line)
        for ep, seq, text, line in rows
    ]


def backlog(db: sqlite3.Connection, epoch: int) -> Backlog:
    """Return how much of an epoch waits and since when."""
    count = db.execute("SELECT count(*) FROM outbox WHERE ep = ?", (epoch,)).fetchone()[0]
    query = "SELECT jws FROM outbox JOIN log USING (ep, seq) WHERE ep = ? ORDER BY seq LIMIT 1"
    row = db.execute(query, (epoch,)).fetchone()
    if row is None:
        return Backlog(count, None)
    return Backlog(count, envelope.parse_utc(str(envelope.parse_entry(str(row[0])).payload["utc"])))


def disclosures(db: sqlite3.Connection, epoch: int, seq: int) -> tuple[str, ...]:
    """Return the disclosures kept beside one record, sorted."""
    query = "SELECT disc FROM disclosure WHERE ep = ? AND seq = ? ORDER BY disc"
    rows: Sequence[tuple[str]] = db.execute(query, (epoch, seq)).fetchall()
    return tuple(disc for (disc,) in rows)
