"""Taking records in, once and in order, and countersigning what was committed; runs in the database's thread."""

import sqlite3
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import envelope, head, tree
from nebctl.core.ledger.note import Vkey, assemble_note
from nebctl.core.ledger.signing import Signer, Verifier
from nebctl.pharmacy import outcomes
from nebctl.pharmacy.check import (
    EVIDENCE,
    Known,
    Reason,
    Refused,
    Signed,
    check_place,
    check_signature,
    check_source,
    read_body,
)
from nebctl.pharmacy.database import transaction

HASH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A record that was committed now; `remark` None means that it fits the leases."""

    unit: str
    epoch: int
    seq: int
    typ: str
    remark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A record that was committed before, byte for byte."""

    unit: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfOrder:
    """A record that comes too early: `want` is the sequence number that is missing first."""

    unit: str
    epoch: int
    seq: int
    want: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBehind:
    """No receipt now: the clock stands before the time of the last one. Unix seconds."""

    now_s: int
    last_s: int


Taken: TypeAlias = Accepted | Duplicate | OutOfOrder | Refused


class Ingest:
    """The register of records of one pharmacy; `simulated` says which kind of units it takes."""

    def __init__(self, db: sqlite3.Connection, *, simulated: bool, verify: Verifier) -> None:
        self._db = db
        self._simulated = simulated
        self._verify = verify

    def take(self, unit: str, body: bytes, at_ns: int) -> Taken:
        """Take one `record` message of `unit`; a record is kept only when all of it holds, and then durably."""
        signed = read_body(body)
        taken = signed if isinstance(signed, Refused) else self._take(unit, signed, at_ns)
        if isinstance(taken, Refused):
            self._note_refusal(unit, taken.reason, body, at_ns)
        return taken

    def _take(self, unit: str, signed: Signed, at_ns: int) -> Taken:
        entry = signed.entry
        known = self._known(unit, entry.epoch)
        if isinstance(known, Refused):
            return known
        if refused := check_source(signed, unit, self._simulated) or check_signature(signed, known.vkey, self._verify):
            return refused
        if entry.seq < known.frontier.size:
            return self._again(unit, signed)
        if entry.seq > known.frontier.size:
            return OutOfOrder(unit=unit, epoch=entry.epoch, seq=entry.seq, want=known.frontier.size)
        grown = check_place(signed, known, self._verify)
        if isinstance(grown, Refused):
            return grown
        with transaction(self._db):
            self._keep(unit, signed, grown, at_ns)
            remark = outcomes.note_record(self._db, signed)
        typ = str(entry.payload["typ"])
        return Accepted(unit=unit, epoch=entry.epoch, seq=entry.seq, typ=typ, remark=remark)

    def _known(self, unit: str, epoch: int) -> Known | Refused:
        row = self._db.execute("SELECT vkey FROM unit_key WHERE unit = ? AND ep = ?", (unit, epoch)).fetchone()
        if row is None:
            return Refused(reason=Reason.UNKNOWN, seen=f"{unit} epoch {epoch}", expected="an enrolled unit and epoch")
        return Known(vkey=Vkey.parse(row[0]), frontier=self._frontier(unit, epoch))

    def _frontier(self, unit: str, epoch: int) -> tree.Frontier:
        row = self._db.execute("SELECT size, frontier FROM tip WHERE unit = ? AND ep = ?", (unit, epoch)).fetchone()
        if row is None:
            return tree.Frontier()
        return tree.Frontier(row[0], tuple(row[1][i : i + HASH] for i in range(0, len(row[1]), HASH)))

    def _again(self, unit: str, signed: Signed) -> Duplicate | Refused:
        entry = signed.entry
        row = self._db.execute(
            "SELECT leaf FROM rec WHERE unit = ? AND ep = ? AND seq = ?", (unit, entry.epoch, entry.seq)
        ).fetchone()
        if row[0] != entry.leaf:
            seen = f"another record {entry.seq} under the unit's good signature"
            return Refused(reason=Reason.FORK, seen=seen, expected="the one that was kept")
        return Duplicate(unit=unit, epoch=entry.epoch, seq=entry.seq)

    def _keep(self, unit: str, signed: Signed, grown: tree.Frontier, at_ns: int) -> None:
        entry, got_at = signed.entry, envelope.utc_text(at_ns)
        place = (unit, entry.epoch, entry.seq)
        self._db.execute("INSERT INTO rec VALUES (?, ?, ?, ?, ?, ?)", (*place, entry.leaf, entry.jws, got_at))
        self._db.executemany("INSERT INTO disclosure VALUES (?, ?, ?, ?)", [(*place, d) for d in entry.disclosures])
        self._db.execute(
            "INSERT INTO tip VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET size = excluded.size, frontier = excluded.frontier, head_line = excluded.head_line",
            (unit, entry.epoch, grown.size, b"".join(grown.nodes), signed.head_line),
        )
        self._db.execute("UPDATE unit SET last_seen = ? WHERE unit = ?", (got_at, unit))

    def _note_refusal(self, unit: str, reason: Reason, body: bytes, at_ns: int) -> None:
        enrolled = self._db.execute("SELECT 1 FROM unit WHERE unit = ?", (unit,)).fetchone()
        counted = unit if enrolled else ""  # a stranger must not be able to grow the table
        at = envelope.utc_text(at_ns)
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO refusal VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE"
                " SET count = count + 1, last_at = excluded.last_at",
                (counted, reason.value, at),
            )
            if reason in EVIDENCE:
                evidence = (unit, reason.value, body, at)
                self._db.execute("INSERT INTO evidence VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", evidence)

    def countersign(self, unit: str, name: str, witness: Signer, at_ns: int) -> str | ClockBehind | None:
        """Return the receipt for all that is committed of the unit's newest epoch; None means nothing is.

        It is written down before it is returned, and its time never lies before that of an earlier one.
        """
        row = self._db.execute(
            "SELECT k.ep, k.vkey, t.head_line FROM unit_key k JOIN tip t USING (unit, ep)"
            " WHERE unit = ? ORDER BY ep DESC LIMIT 1",
            (unit,),
        ).fetchone()
        if row is None:
            return None
        epoch, now_s = row[0], at_ns // NS_PER_S
        size, last_s, note = self._countersigned(unit, epoch)
        frontier = self._frontier(unit, epoch)
        if size == frontier.size:
            return note
        if now_s < last_s:
            return ClockBehind(now_s=now_s, last_s=last_s)
        checkpoint = head.Checkpoint(Vkey.parse(row[1]).name, frontier.size, frontier.root())
        return self._countersign(unit, epoch, checkpoint, row[2], head.cosign(checkpoint, now_s, name, witness), now_s)

    def _countersigned(self, unit: str, epoch: int) -> tuple[int, int, str]:
        query = "SELECT size, cosigned_at, note FROM witness WHERE unit = ? AND ep = ?"
        size, last_s, note = self._db.execute(query, (unit, epoch)).fetchone() or (0, 0, "")
        return size, last_s, note

    def _countersign(
        self, unit: str, epoch: int, checkpoint: head.Checkpoint, head_line: str, cosignature: str, now_s: int
    ) -> str:
        note = assemble_note(checkpoint.text(), (f"{head_line.rstrip()}\n", cosignature))
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO witness VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size,"
                " root = excluded.root, note = excluded.note, cosigned_at = excluded.cosigned_at",
                (unit, epoch, checkpoint.size, checkpoint.root, note, now_s),
            )
        return note
