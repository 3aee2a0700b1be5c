"""The unit's database: its tables, the triggers that only let it grow, and what its one writer may do.

A new one is made whole, in the transaction that holds the first record, so that a database with tables and no record
is known to have lost something; an older one is brought up step by step (`migrate`). The triggers stop accidents and
careless programs; against a person with the file in hand stand the signatures and the pharmacy's receipts.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Mapping
from typing import Final

_TABLES_1 = (
    """CREATE TABLE log(
    ep INTEGER NOT NULL CHECK(ep >= 1), seq INTEGER NOT NULL CHECK(seq >= 0),
    leaf BLOB NOT NULL CHECK(length(leaf) = 32), jws TEXT NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE disclosure(
    ep INTEGER NOT NULL, seq INTEGER NOT NULL, disc TEXT NOT NULL,
    PRIMARY KEY(ep, seq, disc)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE head(
    ep INTEGER NOT NULL PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL CHECK(length(root) = 32),
    note TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE outbox(
    ep INTEGER NOT NULL, seq INTEGER NOT NULL, head_line TEXT NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE receipt(
    ep INTEGER NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY(ep, size)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE trace(
    session TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, csv TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE trace_rows(
    n INTEGER PRIMARY KEY, session TEXT NOT NULL, rows TEXT NOT NULL) STRICT""",
)

# A BEFORE INSERT guard stands on every kept table because INSERT OR REPLACE deletes without firing a DELETE trigger.
_GUARDS_1 = (
    (
        "log_takes_only_the_next",
        "INSERT ON log WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), -1) + 1 FROM log WHERE ep = NEW.ep) "
        "OR NEW.ep < (SELECT max(ep) FROM log)",
    ),
    ("log_is_never_changed", "UPDATE ON log"),
    ("log_is_never_shortened", "DELETE ON log"),
    (
        "disclosure_belongs_to_a_record",
        "INSERT ON disclosure WHEN NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.ep AND seq = NEW.seq)",
    ),
    ("disclosure_is_never_changed", "UPDATE ON disclosure"),
    ("disclosure_is_never_deleted", "DELETE ON disclosure"),
    ("head_is_one_an_epoch", "INSERT ON head WHEN EXISTS (SELECT 1 FROM head WHERE ep = NEW.ep)"),
    ("head_only_grows", "UPDATE ON head WHEN NEW.ep IS NOT OLD.ep OR NEW.size <= OLD.size"),
    ("head_is_never_deleted", "DELETE ON head"),
    (
        "outbox_holds_records_once",
        "INSERT ON outbox WHEN NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.ep AND seq = NEW.seq) "
        "OR EXISTS (SELECT 1 FROM outbox WHERE ep = NEW.ep AND seq = NEW.seq)",
    ),
    ("outbox_is_never_changed", "UPDATE ON outbox"),
    (
        "outbox_closes_by_receipt_alone",
        "DELETE ON outbox WHEN NOT EXISTS (SELECT 1 FROM receipt WHERE ep = OLD.ep AND size > OLD.seq)",
    ),
    (
        "receipt_only_grows",
        "INSERT ON receipt WHEN NEW.size <= (SELECT max(size) FROM receipt WHERE ep = NEW.ep) "
        "OR NEW.size > (SELECT coalesce(max(seq), -1) + 1 FROM log WHERE ep = NEW.ep)",
    ),
    ("receipt_is_never_changed", "UPDATE ON receipt"),
    ("receipt_is_never_deleted", "DELETE ON receipt"),
    ("trace_is_kept_once", "INSERT ON trace WHEN EXISTS (SELECT 1 FROM trace WHERE session = NEW.session)"),
    ("trace_is_never_changed", "UPDATE ON trace"),
    ("trace_is_never_deleted", "DELETE ON trace"),
)

# `size` is how many records the copy held, `receipt` the pharmacy's word that it may go on (NULL: not yet heard), and
# `noted` whether a record tells of it.
_TABLES_2 = (
    """CREATE TABLE restored(
    n INTEGER PRIMARY KEY, at TEXT NOT NULL, ep INTEGER NOT NULL, size INTEGER NOT NULL,
    receipt TEXT, noted INTEGER NOT NULL DEFAULT 0) STRICT""",
)
_GUARDS_2 = (
    (
        "restored_is_told_in_order",
        "INSERT ON restored WHEN NEW.n <= (SELECT max(n) FROM restored) OR NEW.receipt IS NOT NULL OR NEW.noted <> 0",
    ),
    (
        "restored_is_settled_once",
        "UPDATE ON restored WHEN NEW.n <> OLD.n OR NEW.at <> OLD.at OR NEW.ep <> OLD.ep OR NEW.size <> OLD.size "
        "OR NEW.noted < OLD.noted OR (OLD.receipt IS NOT NULL AND NEW.receipt IS NOT OLD.receipt)",
    ),
    ("restored_is_never_deleted", "DELETE ON restored"),
)


# A record of 1 kB does not fit a page of a table without rowids: each took a page of its own beside, and two writes.
_LOG_3 = (
    "CREATE TABLE log_2 AS SELECT * FROM log",
    "DROP TABLE log",
    """CREATE TABLE log(
    ep INTEGER NOT NULL CHECK(ep >= 1), seq INTEGER NOT NULL CHECK(seq >= 0),
    leaf BLOB NOT NULL CHECK(length(leaf) = 32), jws TEXT NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT""",
    "INSERT INTO log SELECT * FROM log_2 ORDER BY ep, seq",
    "DROP TABLE log_2",
)
_GUARDS_3 = _GUARDS_1[:3]


# Which records' disclosures were erased, and the `access` record that says so.
_TABLES_4 = (
    """CREATE TABLE erased(
    ep INTEGER NOT NULL, seq INTEGER NOT NULL, by_ep INTEGER NOT NULL, by_seq INTEGER NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID""",
    "DROP TRIGGER disclosure_is_never_deleted",
)
_GUARDS_4 = (
    (
        "erased_names_two_records",
        "INSERT ON erased WHEN EXISTS (SELECT 1 FROM erased WHERE ep = NEW.ep AND seq = NEW.seq) "
        "OR NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.ep AND seq = NEW.seq) "
        "OR NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.by_ep AND seq = NEW.by_seq)",
    ),
    ("erased_is_never_changed", "UPDATE ON erased"),
    ("erased_is_never_deleted", "DELETE ON erased"),
    (
        "disclosure_is_never_deleted",
        "DELETE ON disclosure WHEN NOT EXISTS (SELECT 1 FROM erased WHERE ep = OLD.ep AND seq = OLD.seq)",
    ),
    (
        "disclosure_stays_erased",
        "INSERT ON disclosure WHEN EXISTS (SELECT 1 FROM erased WHERE ep = NEW.ep AND seq = NEW.seq)",
    ),
)


def _guards(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(
        f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, '{name}'); END" for name, when in pairs
    )


STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (*_TABLES_1, *_guards(_GUARDS_1)),
    (*_TABLES_2, *_guards(_GUARDS_2)),
    (*_LOG_3, *_guards(_GUARDS_3)),
    (*_TABLES_4, *_guards(_GUARDS_4)),
)
"""The statements that lead to each version from the one before; step 1 makes the first. A step that has been released
is never changed: what differs comes in a new one, which may drop a trigger to make it anew."""

VERSION: Final = len(STEPS)

_WRITES = {
    sqlite3.SQLITE_INSERT: frozenset(("log", "disclosure", "head", "outbox", "receipt", "trace", "trace_rows")),
    sqlite3.SQLITE_UPDATE: frozenset(("head", "restored")),
    sqlite3.SQLITE_DELETE: frozenset(("outbox", "trace_rows")),
}
_READS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_FUNCTION))


def authorize(action: int, subject: str | None, _detail: str | None, _db: str | None, _trigger: str | None) -> int:
    """Allow the writer what the ledger needs and nothing else: no DROP, no ALTER, no PRAGMA, no deletion of records."""
    allowed = action in _READS or subject in _WRITES.get(action, frozenset())
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def create(db: sqlite3.Connection) -> None:
    """Create every table and trigger inside the transaction that is open."""
    for number in range(1, VERSION + 1):
        take_step(db, number)


def take_step(db: sqlite3.Connection, number: int) -> None:
    """Lead a database of the version before to version `number`, inside the transaction that is open."""
    for statement in STEPS[number - 1]:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {number}")


@functools.cache
def expected(version: int) -> Mapping[str, str]:
    """Return the tables and triggers of a version, each by its name with the text that SQLite keeps of it."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for number in range(1, version + 1):
            take_step(db, number)
        return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def triggers(version: int = VERSION) -> dict[str, str]:
    """Return the triggers of a version, each by its name with the statement that makes it."""
    return {name: sql for name, sql in expected(version).items() if sql.startswith("CREATE TRIGGER")}


def version_of(db: sqlite3.Connection) -> int:
    """Return the version that a database says it has; 0 means that nothing was made yet."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def altered(db: sqlite3.Connection) -> list[str]:
    """Return the names of tables and triggers that are missing, differ from the database's version, or were added."""
    version = version_of(db)
    wanted = expected(version if 1 <= version <= VERSION else VERSION)
    rows = db.execute("SELECT name, sql, type FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    found = {str(name): str(sql) for name, sql, _ in rows}
    changed = {name for name, sql in wanted.items() if found.get(name) != sql}
    added = {str(name) for name, _, kind in rows if kind == "trigger" and name not in wanted}
    return sorted(changed | added)
