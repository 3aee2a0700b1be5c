"""The unit's ledger for the event loop: one thread owns the database, so that no fsync ever holds the loop up."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from nebctl.core.instant import Instant
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.trace import Trace
from nebctl.ports import Signer, Verifier
from nebctl.store.calls import begin
from nebctl.store.database import Connect, connect
from nebctl.store.faults import closed
from nebctl.store.grouping import Grouping
from nebctl.store.outbox import Agreed, Backlog, Outgoing, Receipted, ReceiptRefused
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Append, Lost, Place, Writer

WINDOW = 200
"""How many waiting records `unreceipted` returns where the caller does not say."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class UnitLedger:
    """A unit's log of signed records; it implements `ports.EntryStore`.

    A call that was begun runs to its end even where its caller is cancelled, and calls run in the order they were made.
    Appends that wait for the thread one after the other share a transaction.
    """

    def __init__(self, writer: Writer, thread: Executor, vkey: Vkey) -> None:
        self._writer = writer
        self._thread = thread
        self._groups = Grouping(thread, writer.append_group)
        self._vkey = vkey

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        site: str,
        unit: str,
        signer: Signer,
        verify: Verifier,
        witness: Vkey | None,
        stamp: Stamp,
        random: Callable[[int], bytes],
        at: Instant,
        thread: Executor | None = None,
        connect: Connect = connect,
        may_lack_key: bool = False,
    ) -> Self:
        """Open the ledger at `path`, check it whole, and begin a new one with `genesis` at `at`.

        `witness` is the pharmacy's countersigning key; None means that no receipt can be taken. `thread` does the work
        one call after the other; None means a thread of the ledger's own. `connect` opens the file.
        With `may_lack_key` a log that does not name the key opens too: `append` refuses until `restore` brought that.
        Raises: `StoreFault` where the file cannot be used or does not hold this unit's whole log;
        `ValueError` where `stamp` is another unit's.
        """
        if stamp.unit != unit:
            raise ValueError(f"stamp of unit {stamp.unit}, expected unit {unit}")
        sealer = Sealer(site=site, stamp=stamp, signer=signer, verify=verify, witness=witness, random=random)
        writer, thread = Writer(path, sealer, connect), thread or ThreadPoolExecutor(1, thread_name_prefix="ledger")
        try:
            await begin(thread, writer.open, at, may_lack_key=may_lack_key)
        except BaseException:
            _shut(thread, writer)
            raise
        return cls(writer, thread, sealer.vkey)

    async def append(self, drafts: Sequence[Draft], at: Instant, *, traces: Sequence[Trace] = ()) -> tuple[Entry, ...]:
        """Sign, chain and commit the drafts, and the traces they name, in one transaction.

        Raises: `StoreFault` where the disk or the database refused. Nothing of it is then recorded, but for a failed
        fsync (`lasting`), after which only the next start can tell; the store takes nothing more until then.
        """
        append = Append(drafts=tuple(drafts), at=at, traces=tuple(traces))
        return await self._groups.append(append)

    async def save_trace_rows(self, session: str, rows_text: str) -> None:
        """Commit rows of a running session's trace; a crash keeps what was saved.

        Raises: `StoreFault` as `append` does.
        """
        await self._run(self._writer.save_rows, session, rows_text)

    async def load_trace_rows(self, session: str) -> str:
        """Return the rows saved for a session whose trace is not yet kept whole; empty where there are none."""
        return await self._run(self._writer.load_rows, session)

    async def erase(self, places: Sequence[Place], by: Place) -> None:
        """Delete the disclosures beside records, and overwrite where they lay; `by` is the record that says so.

        Raises: `StoreFault` as `append` does.
        """
        await self._run(self._writer.erase, tuple(places), by)

    async def entries(self, after: int = -1) -> list[Entry]:
        """Return this epoch's records with a sequence above `after`, with their disclosures (sorted)."""
        return await self._run(self._writer.entries, after)

    async def all_entries(self) -> list[Entry]:
        """Return the records of every epoch in order, with their disclosures (sorted)."""
        return await self._run(self._writer.all_entries)

    async def unreceipted(self, limit: int = WINDOW) -> list[Outgoing]:
        """Return up to `limit` of the oldest records without a receipt, in order."""
        return await self._run(self._writer.waiting, limit)

    async def take_receipt(self, note_text: str) -> Receipted | ReceiptRefused:
        """Check a countersigned head and close the outbox up to its size; a refused one changes nothing.

        Raises: `StoreFault` as `append` does.
        """
        return await self._run(self._writer.take_receipt, note_text)

    async def take_answer(self, note_text: str, nonce: str, orders: Vkey) -> Agreed | ReceiptRefused:
        """Check the pharmacy's answer, by its key `orders`, to the hello with this nonce; nothing is changed.

        Raises: `StoreFault` where the database refused.
        """
        return await self._run(self._writer.take_answer, note_text, nonce, orders)

    async def restore(
        self, records: Sequence[Lost], kept: Checkpoint, at: Instant, receipt: str | None = None
    ) -> ReceiptRefused | int:
        """Append own records, each with its disclosures, that the pharmacy kept and this file has lost, whole or not.

        `receipt` is the pharmacy's newest; a log that was handed over to another key meanwhile needs it.
        Returns how many came back, or why they are no continuation of this log up to what is kept.
        Raises: `StoreFault` as `append` does, and where another key than the unit's signs the log by now.
        """
        return await self._run(self._writer.restore, records, kept, at, receipt)

    async def backlog(self) -> Backlog:
        """Return how many records wait for a receipt, and the wall time of the oldest (None where none waits)."""
        return await self._run(self._writer.backlog)

    @property
    def size(self) -> int:
        """Return the number of committed records of this epoch."""
        return self._writer.tip.size

    @property
    def root(self) -> bytes:
        """Return the root over the committed records."""
        return self._writer.tip.root

    @property
    def head_note(self) -> str:
        """Return the signed head over the committed records."""
        return self._writer.tip.head_note

    @property
    def epoch(self) -> int:
        """Return the epoch, from 1."""
        return self._writer.epoch

    @property
    def origin(self) -> str:
        """Return the name of this log and of its key."""
        return self._vkey.name

    @property
    def vkey(self) -> Vkey:
        """Return the unit's verifier key."""
        return self._vkey

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        self._groups.end()
        try:
            working = begin(self._thread, work, *args, **kwargs)
        except RuntimeError as error:
            raise closed() from error
        return await working

    async def close(self) -> None:
        """Finish what was begun and close the file; closing twice is harmless."""
        self._groups.end()
        if (closed := _shut(self._thread, self._writer)) is not None:
            await closed


def _shut(thread: Executor, writer: Writer) -> "asyncio.Future[None] | None":
    """Close the file after all that was begun; None where that was asked for before."""
    try:
        closed = begin(thread, writer.close)
    except RuntimeError:
        return None
    thread.shutdown(wait=False)
    return closed
