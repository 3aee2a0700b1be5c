"""The mark of a ledger that was put back from a copy: it signs nothing until the pharmacy has said what it holds.

A copy is older than what was lost. Records signed after it was made may be at the pharmacy already; to sign others in
their places would be a fork. So the mark stands until the pharmacy answered a hello (and what was missing is back), or
until its newest receipt was held against the copy; the first record after that tells of it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.ledger import head, note
from nebctl.core.ledger.encoding import b64url
from nebctl.core.ledger.records import Draft, Json
from nebctl.store.faults import StoreFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One restoration: when (UTC), how many records of which epoch the copy held, and what the pharmacy then held.

    `receipt` is its receipt, or the three lines of a checkpoint that it answered; None means that it was not heard yet.
    """

    n: int
    at: str
    epoch: int
    size: int
    receipt: str | None

    def draft(self) -> Draft:
        """Return the record that tells of a settled restoration."""
        assert self.receipt is not None
        text = note.parse_note(self.receipt).text if "\n\n" in self.receipt else self.receipt
        held = head.Checkpoint.parse(text)
        facts: dict[str, Json] = {
            "kind": "restored",
            "size": self.size,
            "to_size": held.size,
            "root": b64url(held.root),
        }
        return Draft(typ="incident", facts=facts, private={"text": f"restored at {self.at}"})


def put(db: sqlite3.Connection, at: str, epoch: int, size: int) -> None:
    """Mark a copy as restored, inside the transaction that is open."""
    # A trigger that runs before the row is there does not see a number that SQLite would choose: it is given here.
    (number,) = db.execute("SELECT coalesce(max(n), 0) + 1 FROM restored").fetchone()
    db.execute("INSERT INTO restored(n, at, ep, size) VALUES (?, ?, ?, ?)", (number, at, epoch, size))


def settle(db: sqlite3.Connection, receipt: str) -> None:
    """Keep the pharmacy's word with every mark that waits for it, inside the transaction that is open."""
    db.execute("UPDATE restored SET receipt = ? WHERE receipt IS NULL", (receipt,))


def close(db: sqlite3.Connection, told: Sequence[Mark]) -> None:
    """Note that a record tells of these restorations, inside the transaction that is open."""
    for mark in told:
        db.execute("UPDATE restored SET noted = 1 WHERE n = ?", (mark.n,))


def marks(db: sqlite3.Connection) -> list[Mark]:
    """Return the restorations that no record tells of yet, oldest first."""
    rows = db.execute("SELECT n, at, ep, size, receipt FROM restored WHERE noted = 0 ORDER BY n").fetchall()
    return [Mark(n=n, at=at, epoch=epoch, size=size, receipt=receipt) for n, at, epoch, size, receipt in rows]


def check_settled(marks: Sequence[Mark], path: Path) -> None:
    """Refuse where a restoration waits for the pharmacy's word.

    Raises: `StoreFault` as it does.
    """
    for mark in marks:
        if mark.receipt is None:
            raise StoreFault(
                seen=f"{path}: restored at {mark.at} from a copy with {mark.size} records",
                expected="the pharmacy's word on what it holds of this unit before it signs again",
                advice="Start the unit where it reaches the pharmacy, or take the pharmacy's newest receipt "
                "(`nebctl ledger receipt pharmacy.db`) to `nebctl ledger rejoin`.",
            )
