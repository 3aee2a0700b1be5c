"""One writer's connection: the lock that keeps it the only one, durable settings, and transactions that end one way."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nebctl.core.ledger.encoding import FormatError
from nebctl.store.faults import StoreFault, explain

BEGUN: Final = "begun"
BUSY_MS: Final = 2000
"""How long a write waits for another program's lock, in milliseconds, before it is refused."""
CHECKPOINT_PAGES: Final = 1000
"""The writer copies the write-ahead log back after so many pages; no other connection ever does.

Source: sqlite.org/wal.html, the WAL-reset bug of 3.7.0 to 3.51.2 needs two connections that write or checkpoint.
"""


Connect = Callable[[Path], sqlite3.Connection]
"""Opens the writer's connection in autocommit mode, so that each transaction is begun and ended in plain sight."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file by SQLite's own way to the disk."""
    return sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)


class Database:
    """The only writing connection to one ledger file; used from one thread.

    `connect` opens it; the tests of power cuts and the benchmarks of slow disks put their own in its place.
    """

    def __init__(self, path: Path, connect: Connect = connect) -> None:
        self.path = path
        self._connect = connect
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def db(self) -> sqlite3.Connection:
        """Return the open connection.

        Raises: `StoreFault` where the store was closed or never opened.
        """
        if self._connection is None:
            raise StoreFault(seen=f"{self.path} closed", expected="an open ledger", advice="Restart nebctl.")
        return self._connection

    def open(self) -> None:
        """Take the lock, make the file where it is missing (mode 0600) and set it durable.

        Raises: `StoreFault` where the place is missing, not writable, in use, or not a database.
        """
        self._take_lock()
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = self._connect(self.path)
            self._set_durable(self._connection)
            self._note_begun()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Close the connection and give the lock back; closing twice is harmless."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit durably what is done inside, all or nothing.

        Raises: `StoreFault` where the database refused. After a failed fsync it is unknown whether the disk holds the
        transaction, and the fault says `lasting`.
        """
        db = self.db
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise explain(self.path, error) from error
        except BaseException:
            self._roll_back()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read outside a transaction.

        Raises: `StoreFault` where the database refused or a row is not what was written.
        """
        try:
            yield self.db
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        except FormatError as error:
            raise StoreFault(
                seen=f"{self.path}: {error}",
                expected="the record as it was written",
                advice="Keep the file as it is and examine it with `nebctl ledger verify`.",
                lasting=True,
            ) from error

    def _roll_back(self) -> None:
        # SQLite may have rolled back already, and a broken disk may refuse even this: neither changes the answer.
        with contextlib.suppress(sqlite3.Error):
            self.db.execute("ROLLBACK")

    def _take_lock(self) -> None:
        lock_path = lock_of(self.path)
        if not self.path.exists() and _was_begun(lock_path):
            raise StoreFault(
                seen=f"no {self.path}, though there was a ledger here before",
                expected="the ledger that this unit has written so far",
                advice="Put it back, or a copy of it with `nebctl ledger restore`. "
                f"To begin anew on purpose, use a new key and epoch, and remove {lock_path.name}.",
            )
        self._lock = _take_lock(self.path)

    def _note_begun(self) -> None:
        """Leave word beside the database that there is one, so that its loss cannot pass for a first start."""
        if self._lock is not None:
            os.pwrite(self._lock, f"{os.getpid()}\n{BEGUN}\n".encode(), 0)
            os.fsync(self._lock)
            sync_folder(self.path.parent)

    def _set_durable(self, db: sqlite3.Connection) -> None:
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        db.execute("PRAGMA synchronous = FULL")
        level = db.execute("PRAGMA synchronous").fetchone()[0]
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute("PRAGMA trusted_schema = OFF")
        if (mode, level) != ("wal", 2):
            raise StoreFault(
                seen=f"{self.path}: journal {mode}, synchronous {level}",
                expected="journal wal, synchronous 2 (FULL)",
                advice="Put the ledger on a local disk whose file system can share memory.",
            )


def lock_of(path: Path) -> Path:
    """Return the file whose lock keeps a ledger's writer the only one.

    A file of its own: closing any descriptor of the database itself would drop SQLite's locks in this process.
    """
    return path.with_name(path.name + ".lock")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every writer away from a ledger's place, also where there is no ledger.

    Raises: `StoreFault` where a writer is at it.
    """
    descriptor = _take_lock(path, keep=True)
    try:
        yield
    finally:
        os.close(descriptor)


def _take_lock(path: Path, *, keep: bool = False) -> int:
    """Return the open lock, with this process's number in it; `keep` leaves what stands there as it is."""
    try:
        descriptor = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").partition("\n")[0]
        os.close(descriptor)
        raise StoreFault(
            seen=f"{path} in use by process {holder or 'unknown'}",
            expected="one nebctl a ledger",
            advice="Stop the other nebctl first; two writers would fork the log.",
        ) from error
    if not keep:
        begun = BEGUN if _was_begun(lock_of(path)) else ""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{begun}\n".encode(), 0)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make the names of new files in a folder as durable as their content.

    Raises: `OSError` where the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _was_begun(lock_path: Path) -> bool:
    try:
        return BEGUN in lock_path.read_text("ascii", errors="replace")
    except OSError:
        return False


def _unwritable(path: Path, error: OSError) -> StoreFault:
    if isinstance(error, FileNotFoundError):
        return StoreFault(
            seen=f"no folder {path.parent}",
            expected="an existing folder for the ledger",
            advice="Create it, owned by the nebctl user, or correct the path in the configuration.",
        )
    return StoreFault(
        seen=f"{path}: {error.strerror}",
        expected="a database file and folder that this user may write",
        advice="Give the nebctl user ownership of both and mount the disk read-write.",
    )
