"""A copy of a ledger, made while its owner writes, and the way back from it."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nebctl.core.ledger import head, tree
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.keyring import open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.ports import Verifier
from nebctl.store import restored, schema
from nebctl.store.database import Database, connect, locked, sync_folder
from nebctl.store.faults import StoreFault, explain
from nebctl.store.migrate import migrate
from nebctl.store.outbox import Receipted, ReceiptRefused, Refusal
from nebctl.store.reader import LedgerFile, LogName
from nebctl.store.selfcheck import ring_of

STEP_PAGES: Final = 256
"""Pages copied between two words of progress: 1 MiB."""

Progress = Callable[[int, int], None]
"""progress(pages copied, pages in all)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One log in a copy: how many records, and the root over them, which its head names too."""

    log: LogName
    records: int
    root: bytes


Check = Callable[[Path], None]
"""Looks at a copy before it is put in its place, and raises `StoreFault` where it does not hold."""


def back_up(source: Path, target: Path, progress: Progress, check: Check) -> list[Held]:
    """Copy a unit's or the pharmacy's database as it stands now, durably, and return what the copy holds.

    The owner may go on writing: the copy is of one moment. Nothing that exists is overwritten, and a copy that does not
    hold is not left behind.
    Raises: `StoreFault` where the source cannot be read, the target cannot be written, or the copy does not hold.
    """
    with LedgerFile.open(source) as file, _in_place(target) as partial:
        _copy(file, partial, progress)
        held = examine(partial)
        check(partial)
        return held


def restore(copy: Path, place: Path, at: str, progress: Progress, check: Check) -> list[Held]:
    """Put a copy of a unit's ledger in the place of the lost one, marked as restored at `at` (UTC), and return it.

    Raises: `StoreFault` where there is a ledger already, a unit runs on it, or the copy is not a unit's.
    """
    with locked(place):
        for left in (place, *(place.with_name(place.name + end) for end in ("-wal", "-shm", "-journal"))):
            if left.exists():
                raise StoreFault(
                    seen=f"{left}, which was not restored",
                    expected="an empty place for the copy",
                    advice="Move it aside and keep it: it may hold records that the copy does not.",
                )
        with LedgerFile.open(copy) as file, _in_place(place) as partial:
            if not file.is_unit:
                raise StoreFault(
                    seen=f"{copy}: the pharmacy's database",
                    expected="a copy of a unit's ledger",
                    advice="A pharmacy that goes back would countersign a fork; see docs/how-to/back-up-a-unit.md.",
                )
            _copy(file, partial, progress)
            held = examine(partial)
            check(partial)
            _mark(partial, at, held[-1])
            return held


def rejoin(place: Path, receipt: str, unit: Vkey, pharmacy: Vkey, verify: Verifier) -> Receipted | ReceiptRefused:
    """Hold a restored ledger against the pharmacy's newest receipt, and lift its mark where it holds all of that.

    Raises: `StoreFault` where the file cannot be used or was not restored.
    """
    with contextlib.closing(Database(place)) as database:
        database.open()
        with database.reading() as db:
            if all(mark.receipt is not None for mark in restored.marks(db)):
                raise StoreFault(
                    seen=f"{place}: a ledger without an open restoration",
                    expected="one that `nebctl ledger restore` put there",
                    advice="Start the unit; nothing is to be done here.",
                )
            answer = _compare(db, receipt, unit, pharmacy, verify)
        if isinstance(answer, Receipted):
            with database.transaction() as db:
                restored.settle(db, receipt)
        return answer


def examine(path: Path) -> list[Held]:
    """Return what a database holds, its roots computed anew from the records and found equal to the heads.

    Signatures are not looked at here: a file that was copied wrongly is found, one that was forged is not.
    Raises: `StoreFault` where it does not hold.
    """
    with LedgerFile.open(path) as file:
        problem = file.db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if problem != "ok":
            raise _damaged(path, problem, "a whole database")
        try:
            return [_examine(path, file, log) for log in file.logs()]
        except FormatError as error:
            raise _damaged(path, str(error), "records as they were written") from error


def _examine(path: Path, file: LedgerFile, log: LogName) -> Held:
    def leaves() -> Iterator[bytes]:
        for place, row in enumerate(file.rows(log)):
            if row.seq != place or tree.leaf_hash(row.text.encode("utf-8", "surrogatepass")) != row.leaf:
                seen = f"{log.unit} epoch {log.epoch} record {row.seq}"
                raise _damaged(path, seen, f"record {place} with its own hash")
            yield row.leaf

    frontier = tree.Frontier.of(leaves())
    stored = file.head(log, "")
    if stored is None or (stored.size, stored.root) != (frontier.size, frontier.root()):
        raise _damaged(path, f"{frontier.size} records of {log.unit} epoch {log.epoch}", "those of the signed head")
    return Held(log=log, records=frontier.size, root=frontier.root())


def _damaged(path: Path, seen: str, expected: str) -> StoreFault:
    advice = "Keep the file and examine it with `nebctl ledger verify`; take another copy."
    return StoreFault(seen=f"{path}: {seen}", expected=expected, advice=advice)


@contextlib.contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """Give a new file to fill, and put it in its place, durably, only when all has gone well."""
    partial = target.with_name(f"{target.name}.partial")
    if target.exists():
        raise StoreFault(seen=f"{target} exists", expected="a new file", advice="Choose another name.")
    try:
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreFault(
            seen=f"{partial} exists", expected="no copy under way", advice="Let it end, or delete what it left."
        ) from None
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield partial
        _sync(partial)
        partial.rename(target)
        sync_folder(target.parent)
    except sqlite3.Error as error:
        raise explain(target, error) from error
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> StoreFault:
    return StoreFault(
        seen=f"{target}: {error.strerror}",
        expected="a place that this user may write, with room for the copy",
        advice="Choose another folder, or free space.",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(file: LedgerFile, partial: Path, progress: Progress) -> None:
    def tell(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    # The reader's transaction is open, so that every step copies from the same moment and none begins anew.
    with contextlib.closing(connect(partial)) as db:
        file.db.backup(db, pages=STEP_PAGES, progress=tell)
        db.execute("PRAGMA journal_mode = DELETE")  # one file, that can be carried and read anywhere


def _mark(partial: Path, at: str, newest: Held) -> None:
    with contextlib.closing(connect(partial)) as db:
        if schema.version_of(db) < schema.VERSION:
            migrate(db)
        db.execute("BEGIN IMMEDIATE")
        restored.put(db, at, newest.log.epoch, newest.records)
        db.execute("COMMIT")


def _compare(
    db: sqlite3.Connection, receipt: str, unit: Vkey, pharmacy: Vkey, verify: Verifier
) -> Receipted | ReceiptRefused:
    """Compare by the pharmacy's signature first: a receipt beyond the copy may carry a key that the copy lacks."""
    epoch = head.Origin.parse(unit.name).epoch
    try:
        kept = head.open_cosigned(receipt, unit.name, pharmacy, verify)
        rows = db.execute("SELECT leaf FROM log WHERE ep = ? AND seq < ? ORDER BY seq", (epoch, kept.size))
        here = tree.Frontier.of(leaf for (leaf,) in rows)
        if here.size < kept.size:
            seen, expected = f"{kept.size} records", f"at most the copy's {here.size}"
            return ReceiptRefused(kind=Refusal.ROLLBACK, seen=seen, expected=expected)
        if here.root() != kept.root:
            seen = f"another root at size {kept.size}"
            return ReceiptRefused(kind=Refusal.FORK, seen=seen, expected="the copy's own root")
        opened = open_receipt_by(receipt, ring_of(db, epoch, unit, verify), pharmacy, verify)
    except FormatError as error:
        return ReceiptRefused(kind=Refusal.FORMAT, seen=f"{error.where} {error.seen}", expected=error.expected)
    return Receipted(kept.size, opened.time_s)
