"""The pharmacy's database for the event loop: one thread owns it, so that no fsync ever holds the loop up."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from nebctl.core.instant import Instant
from nebctl.core.ledger import envelope
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.signing import Signer, Verifier
from nebctl.pharmacy import judging, orders
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.check import Reason, Refused
from nebctl.pharmacy.cores import Cores
from nebctl.pharmacy.database import own
from nebctl.pharmacy.greeting import Greeted, greet
from nebctl.pharmacy.ingest import Arrival, Ingest, Intake, Receipts, Witness
from nebctl.store.calls import begin
from nebctl.store.faults import explain

P = ParamSpec("P")
T = TypeVar("T")


class PharmacyStore:
    """The open register of one pharmacy; `thread` does its work one call after the other.

    None means a thread of its own, and the signatures of large batches are then checked on all cores.

    Every method raises: `StoreFault` where the disk or the database refused; nothing was then kept by that call.
    """

    def __init__(
        self,
        path: Path,
        witness: Vkey,
        signer: Signer,
        desk: orders.Desk,
        books: Callable[[sqlite3.Connection, Instant], Books],
        thread: Executor | None = None,
    ) -> None:
        self._path = path
        self._witness = witness
        self._signer = signer
        self._desk = desk
        self._books = books
        self._alone = thread is not None
        self._thread = thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="pharmacy-db")
        self._open = contextlib.ExitStack()
        self._db: sqlite3.Connection | None = None
        self._ingest: Ingest | None = None

    async def open(self, *, simulated: bool, verify: Verifier) -> None:
        """Open the database, alone; `simulated` says which kind of units is taken."""

        def enter() -> None:
            self._db = self._open.enter_context(own(self._path))
            cores = Cores(verify, alone=self._alone)
            self._open.callback(cores.close)
            witness = Witness(self._witness.name, self._signer)
            self._ingest = Ingest(self._db, simulated=simulated, verify=verify, cores=cores, witness=witness)

        try:
            await self._in_thread(enter)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Finish what was begun and close the database."""
        await self._in_thread(self._open.close)
        self._thread.shutdown(wait=False)

    async def take_all(self, arrivals: Sequence[Arrival], at_ns: int, following: Sequence[Arrival] = ()) -> Intake:
        """Take `record` messages; what is accepted, and its receipt, are on disk when this returns.

        A unit is owed a receipt for whatever was not refused, a record sent again included: it has not heard of one.
        `following` are those of the next call, where they are here already.
        """
        return await self._in_thread(self._take_all, arrivals, at_ns, following)

    def _take_all(self, arrivals: Sequence[Arrival], at_ns: int, following: Sequence[Arrival]) -> Intake:
        assert self._ingest is not None
        answers, receipts = self._ingest.take_in(arrivals, at_ns, following)
        told = zip(arrivals, answers, strict=True)
        owed = {arrival.unit for arrival, answer in told if not isinstance(answer, Refused)} - receipts.keys()
        return Intake(answers, {**receipts, **self._countersign(sorted(owed), at_ns)} if owed else receipts)

    def _countersign(self, units: Sequence[str], at_ns: int) -> Receipts:
        assert self._ingest is not None
        return self._ingest.countersign_all(units, self._witness.name, self._signer, at_ns)

    async def refuse(self, unit: str, reason: Reason, at_ns: int) -> None:
        """Count a message that is no record and was not taken."""
        assert self._ingest is not None
        await self._in_thread(self._ingest.refuse, unit, reason, at_ns)

    async def receipts(self, units: Sequence[str], at_ns: int) -> Receipts:
        """Return the countersigned heads over all that is kept of the units; one of which nothing is kept has none."""
        return await self._in_thread(self._countersign, units, at_ns)

    async def greet(self, unit: str, body: bytes, at_ns: int) -> Greeted | None:
        """Return the answer to a unit's hello; None means that neither the unit nor its epoch is enrolled."""
        return await self._on_db(greet, self._desk, unit, body, at_ns)

    async def renew_worklists(self, at_ns: int) -> dict[str, str]:
        """Make every worklist anew that is out of date, and return those by their units."""
        return await self._on_db(orders.renew_worklists, self._desk, at_ns)

    async def worklists(self) -> dict[str, str]:
        """Return the newest worklist of every unit that has one."""
        return await self._on_db(orders.current_worklists)

    async def overdue(self, at: Instant) -> tuple[judging.Overdue, ...]:
        """Return the doses that are to be raised as late or missed."""
        return await self._on_db(lambda db: judging.overdue(self._books(db, at)))

    async def raise_overdue(self, found: Sequence[judging.Overdue], at: Instant) -> None:
        """Record doses as late or missed."""
        await self._on_db(lambda db: judging.raise_overdue(self._books(db, at), found))

    async def correct_contradicted(self, at: Instant) -> tuple[str, ...]:
        """Withdraw what was said of doses whose record came later, and return those as sentences."""
        return await self._on_db(lambda db: judging.correct_contradicted(self._books(db, at)))

    async def units(self) -> dict[str, tuple[int, int]]:
        """Return the enrolled units, each with its newest epoch and the number of records kept of that."""
        return await self._on_db(_units)

    async def note_state(self, unit: str, text: str, at_ns: int) -> None:
        """Keep what an enrolled unit said of itself last."""
        await self._on_db(_note_state, unit, text, at_ns)

    async def _on_db(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        assert self._db is not None
        return await self._in_thread(work, self._db, *args, **kwargs)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await begin(self._thread, work, *args, **kwargs)
        except sqlite3.Error as error:
            raise explain(self._path, error) from error


def _units(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    query = "SELECT unit, ep, COALESCE(size, 0) FROM unit_key LEFT JOIN tip USING (unit, ep) ORDER BY ep"
    return {unit: (epoch, size) for unit, epoch, size in db.execute(query)}  # the newest epoch comes last and stays


def _note_state(db: sqlite3.Connection, unit: str, text: str, at_ns: int) -> None:
    values = (text[:1000], envelope.utc_text(at_ns), unit)
    db.execute("UPDATE unit SET state = ?, last_seen = ? WHERE unit = ?", values)
