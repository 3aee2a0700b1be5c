"""The tables beside the records: lots, kits, subjects and their ordered doses. sqlite-utils makes and changes them.

The records' own tables are never touched here: a `transform` would drop their guards.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import sqlite_utils
from sqlite_utils.migrations import Migrations

from nebctl.pharmacy import schema

MIGRATIONS = Migrations("nebctl.pharmacy")


@MIGRATIONS()
def orders(db: sqlite_utils.Database) -> None:
    """Lots and kits with their states; subjects; every ordered dose with its unit and, once dispensed, its kit."""
    lot = {"lot": str, "state": str, "since": str}
    _make(db, "lot", lot, {}, "lot")
    kit = {"kit": str, "lot": str, "expires": str, "state": str, "since": str}
    _make(db, "kit", kit, {"thawed_at": str, "use_by": str}, "kit", ("lot",))
    subject = {"subject": str, "unit": str, "enrolled_at": str, "day1": str}
    _make(db, "subject", subject, {}, "subject")
    dose = {"subject": str, "day": int, "dose": int, "unit": str}
    _make(db, "ordered", dose, {"kit": str, "not_after": str}, ("subject", "day", "dose"), ("subject", "kit"))
    db.table("ordered").create_index(["kit"], unique=True, if_not_exists=True)  # a kit is leased once, to one unit


@MIGRATIONS()
def judgements(db: sqlite_utils.Database) -> None:
    """What the pharmacy itself said of doses: those raised as late, and what two persons settled."""
    late = {"subject": str, "day": int, "dose": int, "log_seq": int}
    _make(db, "late", late, {}, ("subject", "day", "dose"))
    record, volume = {"unit": str, "ep": int, "seq": int}, {"low_nl": int, "high_nl": int}
    said = {"verdict": str, "state": str, "log_seq": int}
    _make(db, "settled", {**record, **volume, **said}, {}, ("unit", "ep", "seq"))


@MIGRATIONS()
def log_position(db: sqlite_utils.Database) -> None:
    """Up to which record of the pharmacy's log the tables hold what was signed."""
    _make(db, "applied", {"log": str, "size": int}, {}, "log")


@MIGRATIONS()
def erasures(db: sqlite_utils.Database) -> None:
    """Which records' private facts were erased, and by which record of the pharmacy's log."""
    _make(db, "erased", {"unit": str, "ep": int, "seq": int, "log_seq": int}, {}, ("unit", "ep", "seq"))


@MIGRATIONS()
def operators(db: sqlite_utils.Database) -> None:
    """Who was added beside the persons of the configuration, and of all: roles, suspensions, PIN verifiers."""
    _make(db, "person", {"code": str, "name": str}, {"badge": str}, "code")
    dates = {"since": str, "until": str, "trained": str}
    _make(db, "delegation", {"code": str, "role": str}, dates, ("code", "role", "since"))
    _make(db, "suspended", {"code": str, "since": str}, {}, "code")
    _make(db, "pin", {"code": str, "verifier": str}, {}, "code")


@MIGRATIONS()
def kit_codes(db: sqlite_utils.Database) -> None:
    """Product and serial number of each kit's code; a kit from before has the site's own."""
    for column in ("gtin", "serial"):
        db.table("kit").add_column(column, str)
    db.table("kit").create_index(["gtin", "serial"], unique=True, if_not_exists=True)


@MIGRATIONS()
def identities(db: sqlite_utils.Database) -> None:
    """Keyed hashes of what each subject is known by at the bed; never a code itself."""
    _make(db, "identity", {"subject": str, "band": str, "card": str}, {}, "subject", ("subject",))


@MIGRATIONS()
def lease_sequences(db: sqlite_utils.Database) -> None:
    """Which lease of its subject each dose has, counted from 1 over all units; and what units gave back, by record."""
    db.table("ordered").add_column("sequence", int, not_null_default=0)
    back = {"unit": str, "subject": str, "sequence": int, "last_day": int}
    _make(db, "returned", back, {}, ("unit", "subject"))


def _make(
    db: sqlite_utils.Database,
    name: str,
    needed: Mapping[str, type],
    optional: Mapping[str, type],
    key: str | tuple[str, ...],
    refers_to: Sequence[str] = (),
) -> None:
    """Make a table; a column that refers to another table has that table's name and key."""
    columns: dict[str, Any] = {**needed, **optional}
    keys = [(column, column, column) for column in refers_to]
    db.table(name).create(columns, pk=key, not_null=set(needed), foreign_keys=keys, if_not_exists=True)


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables that are missing, and bring older ones up to date."""
    db.executescript(schema.TABLES)
    MIGRATIONS.apply(sqlite_utils.Database(db, recursive_triggers=False))
