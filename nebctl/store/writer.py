"""The ledger's one writer, for one thread: it signs, commits durably, and only then answers."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nebctl.core.instant import Instant
from nebctl.core.ledger import envelope
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.ledger.restore import check_restored
from nebctl.core.trace import Trace
from nebctl.ports import Signer
from nebctl.store import outbox, restored, schema, selfcheck, signers
from nebctl.store.database import Connect, Database, connect
from nebctl.store.faults import StoreFault
from nebctl.store.migrate import migrate
from nebctl.store.outbox import Agreed, Backlog, Outgoing, Receipted, ReceiptRefused, Refusal
from nebctl.store.restored import Mark
from nebctl.store.sealing import EMPTY, Sealed, Sealer, Tip, genesis, reseal, seal, seal_rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """What one call asks to record, whole or not at all: drafts, their moment, and the traces that belong to them."""

    drafts: Sequence[Draft]
    at: Instant
    traces: Sequence[Trace] = ()


Outcome: TypeAlias = tuple[Entry, ...] | Exception
"""What became of one `Append`: its records, which are on disk, or why nothing of it is recorded."""


Place: TypeAlias = tuple[int, int]
"""A record of this file by epoch and sequence."""

Lost: TypeAlias = tuple[str, tuple[str, ...]]
"""A record that came back: its text and its disclosures."""


class Writer:
    """Appends to one unit's ledger; every method runs in the thread that called `open`."""

    def __init__(self, path: Path, sealer: Sealer, connect: Connect = connect) -> None:
        self._file = Database(path, connect)
        self._sealer = sealer
        self._broken: StoreFault | None = None
        self._marks: list[Mark] = []
        self.tip: Tip = EMPTY

    def open(self, at: Instant, *, may_lack_key: bool = False) -> None:
        """Open the ledger and check it whole; a new one begins with its `genesis` record, an older one is brought up.

        With `may_lack_key` one that does not name the unit's key opens too: nothing is signed until `restore` has
        brought back the record that names it.
        Raises: `StoreFault` where the file cannot be used or does not hold this unit's whole log.
        """
        try:
            self._file.open()
            with self._file.reading() as db:
                if selfcheck.is_new(db, self._file.path):
                    self._begin(at)
                else:
                    self._go_on(db, may_lack_key)
                db.set_authorizer(schema.authorize)
        except BaseException:
            self._file.close()
            raise

    @property
    def epoch(self) -> int:
        """Return the epoch that is written, from 1."""
        return self._sealer.stamp.epoch

    @property
    def vkey(self) -> Vkey:
        """Return the key that signs the next record."""
        return self._sealer.vkey

    def check_may_sign(self) -> None:
        """Refuse where nothing may be signed yet: the log does not name the key, or a restoration is not settled.

        Raises: `StoreFault` as it does.
        """
        signers.check_signer(self._sealer, self._file.path)
        restored.check_settled(self._marks, self._file.path)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def append(self, drafts: Sequence[Draft], at: Instant, traces: Sequence[Trace] = ()) -> tuple[Entry, ...]:
        """Sign, chain and commit the drafts and the traces that belong to them in one transaction.

        Raises: `StoreFault` where the database refused; `FormatError` where a draft cannot be written as a record.
        """
        (outcome,) = self.append_group((Append(drafts=drafts, at=at, traces=traces),))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def append_group(self, group: Sequence[Append]) -> list[Outcome]:
        """Sign and chain several appends in order, commit them by one transaction, and say what became of each.

        One that cannot be written as records is left out, and the others are not harmed. What the disk refuses for
        want of room is tried one by one, so that a large one does not take the small ones with it.
        """
        try:
            return self._append_together(group)
        except StoreFault as fault:
            if fault.lasting or len(group) == 1:
                return [fault for _ in group]
        return [outcome for each in group for outcome in self.append_group((each,))]

    def _append_together(self, group: Sequence[Append]) -> list[Outcome]:
        self.check_may_sign()
        told, tip = seal(self._sealer, self.tip, [mark.draft() for mark in self._marks], group[0].at)
        sealed, outcomes = [*told], list[Outcome]()
        for each in group:
            try:
                records, tip = seal(self._sealer, tip, each.drafts, each.at)
            except Exception as fault:  # the caller's own, handed back to it alone
                outcomes.append(fault)
                continue
            sealed.extend(records)
            outcomes.append(tuple(record.entry for record in records))
        with self._writing(ask=False) as db:  # that it may sign was asked before anything was signed
            insert(db, sealed, tip)
            _keep_traces(db, _traces_of(group, outcomes))
            restored.close(db, self._marks)
        self.tip, self._marks = tip, []
        return outcomes

    def rotate(self, new: Signer, at: Instant) -> Entry:
        """Hand the log over to a new key, by a `key` record of the old one under a head by both; only it signs then.

        Raises: `StoreFault` where the database refused; `FormatError` where the key was used in this log before.
        """
        self.check_may_sign()
        sealed, tip, sealer = seal_rotation(self._sealer, self.tip, new, at)
        with self._writing() as db:
            insert(db, (sealed,), tip)
        self.tip, self._sealer = tip, sealer
        return sealed.entry

    def restore(
        self, records: Sequence[Lost], kept: Checkpoint, at: Instant, receipt: str | None = None
    ) -> ReceiptRefused | int:
        """Append own records that the pharmacy kept and this file has lost, byte for byte, and a record that says so.

        `receipt` is its newest; what that covers does not wait for another.
        Returns how many came back; a refusal where they do not continue this log up to what is kept, and then nothing
        is changed.
        Raises: `StoreFault` where the database refused, or another key than the unit's signs the log by now.
        """
        begin, sealer = self.tip, self._sealer
        own = outbox.tip_of(sealer, begin)
        try:
            entries, ring = check_restored(records, begin.frontier, kept, sealer.keys, sealer.verify)
        except FormatError as error:
            seen = f"{error.where} {error.seen}"
            return ReceiptRefused(
                kind=Refusal.FORK, seen=seen, expected=error.expected, what="restored", kept=kept, own=own
            )
        sealer = signers.take_over(sealer, ring, self._file.path)
        size = signers.receipted_by(sealer, receipt, entries, kept)
        back, tip = reseal(sealer, begin, entries)
        told, tip = seal(sealer, tip, (_restored(begin, tip),), at)
        with self._writing(ask=False) as db:
            insert(db, (*back, *told), tip)
            if receipt is not None and size:
                outbox.close_receipted(db, sealer.stamp.epoch, size, receipt)
            restored.settle(db, kept.text())
            restored.close(db, self._marks)
        self.tip, self._sealer, self._marks = tip, sealer, []
        return len(entries)

    def erase(self, places: Sequence[Place], by: Place) -> None:
        """Delete the disclosures beside records, and overwrite where they lay; `by` is the record that says so.

        Raises: `StoreFault` where the database refused.
        """
        with self._file.reading() as db:
            db.set_authorizer(None)  # the one deletion that the ledger knows; the triggers still ask for its record
            try:
                db.execute("PRAGMA secure_delete = ON")
                with self._writing():
                    _erase(db, places, by)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                db.set_authorizer(schema.authorize)

    def save_rows(self, session: str, rows: str) -> None:
        """Commit rows of a running session's trace.

        Raises: `StoreFault` where the database refused.
        """
        with self._writing() as db:
            db.execute("INSERT INTO trace_rows(session, rows) VALUES (?, ?)", (session, rows))

    def load_rows(self, session: str) -> str:
        """Return the rows saved for a session, in order; empty where there are none or the trace was kept whole."""
        with self._file.reading() as db:
            found = db.execute("SELECT rows FROM trace_rows WHERE session = ? ORDER BY n", (session,))
            return "".join(rows for (rows,) in found)

    def entries(self, after: int) -> list[Entry]:
        """Return this epoch's records with a sequence above `after`, with their disclosures."""
        epoch = self._sealer.stamp.epoch
        query = "SELECT seq, jws FROM log WHERE ep = ? AND seq > ? ORDER BY seq"
        with self._file.reading() as db:
            rows = db.execute(query, (epoch, after)).fetchall()
            return [envelope.parse_entry(text, outbox.disclosures(db, epoch, seq)) for seq, text in rows]

    def all_entries(self) -> list[Entry]:
        """Return the records of every epoch in order, with their disclosures."""
        query = "SELECT ep, seq, jws FROM log ORDER BY ep, seq"
        with self._file.reading() as db:
            rows = db.execute(query).fetchall()
            return [envelope.parse_entry(text, outbox.disclosures(db, epoch, seq)) for epoch, seq, text in rows]

    def waiting(self, limit: int) -> list[Outgoing]:
        """Return the oldest records of this epoch without a receipt, in order."""
        with self._file.reading() as db:
            return outbox.waiting(db, self.epoch, limit)

    def backlog(self) -> Backlog:
        """Return how many records wait for a receipt and since when."""
        with self._file.reading() as db:
            return outbox.backlog(db, self.epoch)

    def take_receipt(self, text: str) -> Receipted | ReceiptRefused:
        """Check a receipt and close what it covers.

        Raises: `StoreFault` where the database refused.
        """
        with self._file.reading() as db:
            verdict = outbox.judge(db, self._sealer, self.tip, text)
        if isinstance(verdict, Receipted):
            with self._writing() as db:
                outbox.close_receipted(db, self._sealer.stamp.epoch, verdict.size, text)
        return verdict

    def take_answer(self, text: str, nonce: str, orders: Vkey) -> Agreed | ReceiptRefused:
        """Check the pharmacy's answer to the hello with this nonce against the log; a good one settles a restoration.

        Raises: `StoreFault` where the database refused, or where neither log names the unit's key.
        """
        with self._file.reading() as db:
            verdict = outbox.judge_answer(db, self._sealer, self.tip, text, nonce, orders)
        if isinstance(verdict, Agreed):
            signers.check_signer(self._sealer, self._file.path, heard=True)
        if isinstance(verdict, Agreed) and any(mark.receipt is None for mark in self._marks):
            with self._writing(ask=False) as db:
                root = outbox.root_at(db, self._sealer, self.tip, verdict.size)
                restored.settle(db, Checkpoint(self._sealer.vkey.name, verdict.size, root).text())
            with self._file.reading() as db:
                self._marks = restored.marks(db)
        return verdict

    def _begin(self, at: Instant) -> None:
        sealed, tip = seal(self._sealer, EMPTY, (genesis(self._sealer),), at)
        with self._file.transaction() as db:
            schema.create(db)
            insert(db, sealed, tip)
        self.tip = tip

    def _go_on(self, db: sqlite3.Connection, may_lack_key: bool) -> None:
        self._sealer = selfcheck.find_keys(db, self._sealer, may_lack_key=may_lack_key)
        self.tip = selfcheck.check(db, self._sealer)
        if schema.version_of(db) < schema.VERSION:
            migrate(db)
            self.tip = selfcheck.check(db, self._sealer)
        self._marks = restored.marks(db)

    @contextlib.contextmanager
    def _writing(self, *, ask: bool = True) -> Iterator[sqlite3.Connection]:
        if ask:
            self.check_may_sign()
        if self._broken is not None:
            raise StoreFault(
                seen=self._broken.seen, expected=self._broken.expected, advice=self._broken.advice, lasting=True
            )
        try:
            with self._file.transaction() as db:
                yield db
        except StoreFault as fault:
            # After a failed fsync the kernel may have dropped the pages: a second try would report what is not so.
            self._broken = fault if fault.lasting else None
            raise


def insert(db: sqlite3.Connection, sealed: Sequence[Sealed], tip: Tip) -> None:
    """Insert sealed records and the head over them, inside the transaction that is open."""
    rows = [(record.entry, record.head_line) for record in sealed]
    db.executemany(
        "INSERT INTO log(ep, seq, leaf, jws) VALUES (?, ?, ?, ?)", [(e.epoch, e.seq, e.leaf, e.jws) for e, _ in rows]
    )
    db.executemany(
        "INSERT INTO disclosure(ep, seq, disc) VALUES (?, ?, ?)",
        [(entry.epoch, entry.seq, disclosure) for entry, _ in rows for disclosure in entry.disclosures],
    )
    db.executemany(
        "INSERT INTO outbox(ep, seq, head_line) VALUES (?, ?, ?)", [(e.epoch, e.seq, line) for e, line in rows]
    )
    if rows:
        _move_head(db, rows[-1][0].epoch, tip)


def _restored(begin: Tip, tip: Tip) -> Draft:
    """Return the record that the records between two sizes were lost and fetched back."""
    facts: dict[str, Json] = {"kind": "restored", "size": begin.size}
    return Draft(typ="incident", facts={**facts, "to_size": tip.size, "root": b64url(tip.root)})


def _erase(db: sqlite3.Connection, places: Sequence[Place], by: Place) -> None:
    for place in places:
        done = db.execute("SELECT 1 FROM erased WHERE ep = ? AND seq = ?", place).fetchone()
        if done is None:
            db.execute("INSERT INTO erased(ep, seq, by_ep, by_seq) VALUES (?, ?, ?, ?)", (*place, *by))
        db.execute("DELETE FROM disclosure WHERE ep = ? AND seq = ?", place)


def _move_head(db: sqlite3.Connection, epoch: int, tip: Tip) -> None:
    values = (tip.size, tip.root, tip.head_note, epoch)
    moved = db.execute("UPDATE head SET size = ?, root = ?, note = ? WHERE ep = ?", values)
    if moved.rowcount == 0:
        db.execute("INSERT INTO head(size, root, note, ep) VALUES (?, ?, ?, ?)", values)


def _traces_of(group: Sequence[Append], outcomes: Sequence[Outcome]) -> Iterator[Trace]:
    for each, outcome in zip(group, outcomes, strict=True):
        if not isinstance(outcome, Exception):
            yield from each.traces


def _keep_traces(db: sqlite3.Connection, traces: Iterable[Trace]) -> None:
    for trace in traces:
        values = (trace.session, trace.sha256, trace.csv)
        db.execute("INSERT INTO trace(session, sha256, csv) VALUES (?, ?, ?)", values)
        db.execute("DELETE FROM trace_rows WHERE session = ?", (trace.session,))
