"""The ledger only grows: every statement that would change, drop or fork it is refused, tried one by one."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from nebctl.core.ledger.records import Draft
from nebctl.store import schema

LEAF = "zeroblob(32)"


@pytest.fixture
async def foreign(bench: Any) -> Iterator[sqlite3.Connection]:
    """Another program's connection to a ledger with a dose, a receipt for its half, a restoration and an erasure."""
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.append([Draft(typ="chart", private={"text": "slept"})], bench.at())
    await ledger.close()
    db = sqlite3.connect(bench.path, isolation_level=None)
    db.execute("INSERT INTO restored(at, ep, size) VALUES ('2026-02-14T12:00:00Z', 1, 4)")
    db.execute("UPDATE restored SET receipt = 'x', noted = 1")
    db.execute("INSERT INTO erased VALUES (1, 2, 1, 3)")
    yield db
    db.close()


REFUSED = [
    # log: 4 records, 0 to 3
    ("UPDATE log SET jws = 'x' WHERE seq = 1", "log_is_never_changed"),
    ("UPDATE log SET seq = 9 WHERE seq = 3", "log_is_never_changed"),
    ("DELETE FROM log WHERE seq = 3", "log_is_never_shortened"),
    ("DELETE FROM log", "log_is_never_shortened"),
    (f"REPLACE INTO log VALUES (1, 3, {LEAF}, 'x')", "log_takes_only_the_next"),
    (f"INSERT OR REPLACE INTO log VALUES (1, 0, {LEAF}, 'x')", "log_takes_only_the_next"),
    (f"INSERT OR IGNORE INTO log VALUES (1, 2, {LEAF}, 'x')", "log_takes_only_the_next"),
    (
        f"INSERT INTO log VALUES (1, 3, {LEAF}, 'x') ON CONFLICT(ep, seq) DO UPDATE SET jws = excluded.jws",
        "log_takes_only_the_next",
    ),
    (f"INSERT INTO log VALUES (1, 5, {LEAF}, 'gap')", "log_takes_only_the_next"),
    (f"INSERT INTO log VALUES (1, 3, {LEAF}, 'fork')", "log_takes_only_the_next"),
    (f"INSERT INTO log VALUES (2, 1, {LEAF}, 'epoch from the middle')", "log_takes_only_the_next"),
    (f"INSERT INTO log VALUES (1, NULL, {LEAF}, 'x')", "log_takes_only_the_next"),
    (f"INSERT INTO log VALUES (NULL, 0, {LEAF}, 'x')", "NOT NULL"),
    (f"INSERT INTO log VALUES (0, 0, {LEAF}, 'x')", "log_takes_only_the_next|CHECK"),
    ("INSERT INTO log VALUES (1, 4, NULL, 'x')", "NOT NULL"),
    (f"INSERT INTO log VALUES (1, 4, {LEAF}, NULL)", "NOT NULL"),
    ("INSERT INTO log VALUES (1, 4, zeroblob(31), 'x')", "CHECK"),
    (f"INSERT INTO log VALUES (1, 'four', {LEAF}, 'x')", "log_takes_only_the_next|cannot store"),
    # disclosures
    ("UPDATE disclosure SET disc = 'x'", "disclosure_is_never_changed"),
    ("DELETE FROM disclosure", "disclosure_is_never_deleted"),
    ("INSERT INTO disclosure VALUES (1, 99, 'x')", "disclosure_belongs_to_a_record"),
    # erasures: of what stood beside record 2, by record 3
    ("INSERT INTO disclosure VALUES (1, 2, 'x')", "disclosure_stays_erased"),
    ("INSERT INTO erased VALUES (1, 99, 1, 3)", "erased_names_two_records"),
    ("INSERT INTO erased VALUES (1, 1, 1, 99)", "erased_names_two_records"),
    ("REPLACE INTO erased VALUES (1, 2, 1, 1)", "erased_names_two_records"),
    ("UPDATE erased SET by_seq = 1", "erased_is_never_changed"),
    ("DELETE FROM erased", "erased_is_never_deleted"),
    # head
    ("UPDATE head SET size = 2", "head_only_grows"),
    ("UPDATE head SET note = 'x'", "head_only_grows"),
    ("DELETE FROM head", "head_is_never_deleted"),
    (f"REPLACE INTO head VALUES (1, 9, {LEAF}, 'x')", "head_is_one_an_epoch"),
    # outbox: record 3 waits
    ("UPDATE outbox SET head_line = 'x'", "outbox_is_never_changed"),
    ("DELETE FROM outbox", "outbox_closes_by_receipt_alone"),
    ("REPLACE INTO outbox VALUES (1, 3, 'x')", "outbox_holds_records_once"),
    ("INSERT INTO outbox VALUES (1, 4, 'x')", "outbox_holds_records_once"),
    # receipts: one of size 3
    ("UPDATE receipt SET note = 'x'", "receipt_is_never_changed"),
    ("DELETE FROM receipt", "receipt_is_never_deleted"),
    ("REPLACE INTO receipt VALUES (1, 3, 'x')", "receipt_only_grows"),
    ("INSERT INTO receipt VALUES (1, 2, 'x')", "receipt_only_grows"),
    ("INSERT INTO receipt VALUES (1, 5, 'beyond the log')", "receipt_only_grows"),
    # traces
    ("UPDATE trace SET csv = 'x'", "trace_is_never_changed"),
    ("DELETE FROM trace", "trace_is_never_deleted"),
    ("REPLACE INTO trace VALUES ('2026-02-14-7f3a9c', 'x', 'x')", "trace_is_kept_once"),
    # restorations: one, settled and noted
    ("REPLACE INTO restored(n, at, ep, size) VALUES (1, 'x', 1, 4)", "restored_is_told_in_order"),
    ("INSERT INTO restored(at, ep, size, receipt) VALUES ('x', 1, 4, 'x')", "restored_is_told_in_order"),
    ("UPDATE restored SET receipt = NULL", "restored_is_settled_once"),
    ("UPDATE restored SET noted = 0", "restored_is_settled_once"),
    ("UPDATE restored SET size = 3", "restored_is_settled_once"),
    ("DELETE FROM restored", "restored_is_never_deleted"),
]


@pytest.mark.req("S34")
@pytest.mark.parametrize(("statement", "guard"), REFUSED, ids=[statement for statement, _ in REFUSED])
def test_a_statement_that_rewrites_is_refused(foreign: sqlite3.Connection, statement: str, guard: str) -> None:
    """The named guard refuses the statement, from any connection, and every row stays as it was."""
    before = list(foreign.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match=guard):
        foreign.execute(statement)
    assert list(foreign.iterdump()) == before


def test_every_guard_is_tried(foreign: sqlite3.Connection) -> None:
    """No guard stands in the database that the list above does not provoke."""
    guards = {name for (name,) in foreign.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    assert guards == set(schema.triggers())
    assert guards == {name for _, matched in REFUSED for name in matched.split("|") if name in guards}


FORBIDDEN = [
    "DROP TABLE log",
    "DROP TRIGGER log_is_never_changed",
    "ALTER TABLE log RENAME TO old",
    "ALTER TABLE log ADD COLUMN note TEXT",
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM outbox; END",
    "PRAGMA writable_schema = ON",
    "PRAGMA synchronous = OFF",
    "PRAGMA journal_mode = MEMORY",
    "UPDATE log SET jws = 'x'",
    "DELETE FROM log",
    "DELETE FROM disclosure",
    "DELETE FROM trace",
    "INSERT INTO restored(at, ep, size) VALUES ('x', 1, 1)",
    "ATTACH DATABASE ':memory:' AS other",
    "VACUUM",
]


@pytest.mark.req("S34")
@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_writer_itself_may_not_take_the_ledger_apart(bench: Any, statement: str) -> None:
    """The writer's own connection is not authorized to drop, alter, switch off or delete."""
    ledger = await bench.open()
    with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|authorization denied"):
        ledger._thread.submit(ledger._writer._file.db.execute, statement).result()
    await ledger.close()


def test_altered_names_each_missing_changed_or_added_guard(foreign: sqlite3.Connection) -> None:
    """A guard that was dropped, rewritten or slipped in is named."""
    assert schema.altered(foreign) == []
    foreign.execute("DROP TRIGGER head_only_grows")
    foreign.execute("DROP TRIGGER log_is_never_changed")
    foreign.execute("CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log BEGIN SELECT 1; END")
    foreign.execute("CREATE TRIGGER extra AFTER INSERT ON log BEGIN SELECT 1; END")
    assert schema.altered(foreign) == ["extra", "head_only_grows", "log_is_never_changed"]
