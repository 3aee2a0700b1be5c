"""Bring an older ledger file up to this version, step by step, by sqlite-utils."""

import sqlite3
from typing import TYPE_CHECKING

from nebctl.store import schema

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations


def migrate(db: sqlite3.Connection) -> None:
    """Take every step that the database has not taken; a step is whole or not taken, and none touches a record.

    The steps are plain statements: sqlite-utils' own `transform` would drop the guards.
    """
    # Imported where there is something to do: a unit starts a third of a second sooner without.
    from sqlite_utils import Database  # noqa: PLC0415
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415

    steps = Migrations("nebctl.ledger")
    for number in range(schema.version_of(db) + 1, schema.VERSION + 1):
        _register(steps, number)
    steps.apply(Database(db, recursive_triggers=False))


def _register(steps: "Migrations", number: int) -> None:
    @steps(name=f"version {number}")
    def take(database: "Database") -> None:
        schema.take_step(database.conn, number)
