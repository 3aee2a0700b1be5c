"""Connections to pharmacy.db: one service that owns it, and commands that write beside it for a moment."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from nebctl.pharmacy import tables
from nebctl.store.database import Connect, Database, connect
from nebctl.store.faults import StoreFault, explain

BUSY_S = 5.0


@contextlib.contextmanager
def own(path: Path, connect: Connect = connect) -> Iterator[sqlite3.Connection]:
    """Open the database as its service: locked against a second one, durable, checkpointed by this connection alone.

    `connect` opens the file.
    Raises: `StoreFault` where the file cannot be used or another service has it.
    """
    database = Database(path, connect)
    database.open()
    try:
        with _explained(path):
            tables.prepare(database.db)
            database.db.execute("PRAGMA foreign_keys = ON")
            yield database.db
    finally:
        database.close()


@contextlib.contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for one command, whether the service runs or not; it never checkpoints.

    Raises: `StoreFault` where the file cannot be used.
    """
    if not path.parent.is_dir():
        raise StoreFault(
            seen=f"no folder {path.parent}",
            expected="the folder that `data` in the configuration names",
            advice="Create it, or correct `data`.",
        )
    with _explained(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            for pragma in ("synchronous = FULL", "wal_autocheckpoint = 0", "foreign_keys = ON", "trusted_schema = OFF"):
                db.execute(f"PRAGMA {pragma}")
            tables.prepare(db)
            yield db


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database to read only.

    Raises: `StoreFault` where there is none or it cannot be read.
    """
    if not path.exists():
        raise StoreFault(
            seen=f"no database {path} yet",
            expected="the database that the pharmacy makes when something is first entered",
            advice="Run `nebctl pharmacy enrol-unit` or `nebctl pharmacy run` first, or correct `data`.",
        )
    with _explained(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)) as db:
            yield db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, all or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except OSError as error:
        raise StoreFault(
            seen=f"{path}: {error.strerror}",
            expected="a database file and folder that this user may write",
            advice="Give the pharmacy's user ownership of both.",
        ) from error
