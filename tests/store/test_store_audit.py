"""The audit of a database finds any one change: in any column, of any row, by any byte; and any loss or new order."""

import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.records import Draft
from nebctl.core.meanings import EXPECTED, MEANINGS
from nebctl.keys import load_trust, load_unit_trust, verify
from nebctl.store import schema
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile, LogName

COLUMNS = [
    ("log", "ep"),
    ("log", "seq"),
    ("log", "leaf"),
    ("log", "jws"),
    ("disclosure", "ep"),
    ("disclosure", "seq"),
    ("disclosure", "disc"),
    ("head", "ep"),
    ("head", "size"),
    ("head", "root"),
    ("head", "note"),
    ("outbox", "ep"),
    ("outbox", "seq"),
    ("outbox", "head_line"),
    ("receipt", "ep"),
    ("receipt", "size"),
    ("receipt", "note"),
    ("trace", "session"),
    ("trace", "sha256"),
    ("trace", "csv"),
]
KEYS = {"log": "seq", "disclosure": "disc", "head": "ep", "outbox": "seq", "receipt": "size", "trace": "session"}


def audit(path: Path, bench: Any) -> list[Finding | LogTally]:
    """Return everything that the audit of a file says, by the bench's trust folder."""
    auditor = Auditor(
        unit_key=partial(load_unit_trust, bench.trust), pharmacy=load_trust(bench.trust, "pharmacy"), verify=verify
    )
    with LedgerFile.open(path) as file:
        return list(auditor.audit(file))


def findings(path: Path, bench: Any) -> list[Finding]:
    """Return the findings of an audit."""
    return [result for result in audit(path, bench) if isinstance(result, Finding)]


@pytest.fixture
def copy(finished: Any, tmp_path: Path) -> Path:
    """A copy of the finished unit's database, to tamper with."""
    return Path(shutil.copy(finished.path, tmp_path / "copy.db"))


def tamper(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """Change the file behind the guards' back, and leave the guards as they were."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    try:
        db.execute("BEGIN")
        for name in schema.triggers():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement, values)
        for sql in schema.triggers().values():
            db.execute(sql)
        db.execute("COMMIT")
    finally:
        db.close()


def test_an_untouched_ledger_has_no_finding(finished: Any, copy: Path) -> None:
    """Everything holds, and the tally says what was read and by which key."""
    (tally,) = audit(copy, finished)
    assert isinstance(tally, LogTally)
    assert (tally.log, tally.records, tally.receipts, tally.traces) == (LogName("neb-0001", 1), 6, 2, 2)
    assert tally.key == finished.unit_vkey


def test_the_columns_tried_are_all_there_are(copy: Path) -> None:
    """No column of a kept table is left out of the tampering; live rows, restorations, erasures are not signed."""
    db = sqlite3.connect(copy)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {(table, row[1]) for table in tables for row in db.execute(f"PRAGMA table_info({table})")}
    db.close()
    assert {column for column in found if column[0] not in ("trace_rows", "restored", "erased")} == set(COLUMNS)


def change(value: Any, place: int, flip: int) -> Any:
    """Return the value with one byte changed, or another number."""
    if isinstance(value, int):
        return value + flip
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[place % len(data)] ^= flip
    return bytes(data)


def tamper_cell(path: Path, table: str, column: str, row: int, place: int, flip: int) -> bool:
    """Change one cell; False where the change collides with another row's key or a rule of the table."""
    key = KEYS[table]
    with sqlite3.connect(path) as db:
        rows = db.execute(f"SELECT {key}, {column} FROM {table} ORDER BY {key}").fetchall()
    db.close()
    name, value = rows[row % len(rows)]
    cast = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
    try:
        tamper(path, f"UPDATE {table} SET {column} = {cast} WHERE {key} = ?", values=(change(value, place, flip), name))
    except sqlite3.IntegrityError:
        return False
    return True


@pytest.mark.req("S34")
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(column) for column in COLUMNS])
@given(row=st.integers(0, 9), place=st.integers(0, 5000), flip=st.integers(1, 255))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_any_one_byte_of_any_column_is_found(
    finished: Any, tmp_path: Path, table: str, column: str, row: int, place: int, flip: int
) -> None:
    """Whatever cell is changed by whatever byte, there is a finding that names a unit, an epoch and a sequence."""
    path = Path(shutil.copy(finished.path, tmp_path / "cell.db"))
    if not tamper_cell(path, table, column, row, place, flip):
        return
    found = findings(path, finished)
    assert found
    assert all(each.unit and each.seq is not None for each in found)


@pytest.mark.req("S34")
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(column) for column in COLUMNS])
def test_the_first_and_the_last_byte_of_every_cell_count(
    finished: Any, tmp_path: Path, table: str, column: str
) -> None:
    """The ends of each cell, where newlines and unused bits hide, are covered in every row."""
    tried = 0
    for row in range(6):
        for place in (0, -1):
            path = Path(shutil.copy(finished.path, tmp_path / "cell.db"))
            if tamper_cell(path, table, column, row, place, 1):
                tried += 1
                assert findings(path, finished), (row, place)
    assert tried


SWAP = "UPDATE log SET (leaf, jws) = (SELECT o.leaf, o.jws FROM log o WHERE o.seq = 5 - log.seq) WHERE seq IN (2, 3)"
LOSSES = {
    "last record": (("DELETE FROM log WHERE seq = 5",), "seq 5"),
    "last record with all that is beside it": (
        tuple(f"DELETE FROM {table} WHERE seq = 5" for table in ("log", "outbox", "disclosure")),
        "seq 5",
    ),
    "all but the first": (("DELETE FROM log WHERE seq > 0",), "seq 1"),
    "every record": (("DELETE FROM log",), "epoch 1"),
    "record in the middle": (("DELETE FROM log WHERE seq = 3",), "seq 4: sequence"),
    "middle closed up": (
        (
            "DELETE FROM log WHERE seq = 3",
            "UPDATE log SET seq = 3 WHERE seq = 4",
            "UPDATE log SET seq = 4 WHERE seq = 5",
        ),
        "seq 3",
    ),
    "two swapped": ((SWAP,), "seq 2"),
    "one repeated": (("INSERT INTO log SELECT 1, 6, leaf, jws FROM log WHERE seq = 5",), "seq 6"),
    "head": (("DELETE FROM head",), "seq 6"),
    "receipts": (("DELETE FROM receipt",), "seq 0: outbox"),
    "newest receipt": (("DELETE FROM receipt WHERE size = 4",), "seq 3: outbox"),
    "outbox": (("DELETE FROM outbox",), "seq 4: outbox"),
    "disclosures": (("DELETE FROM disclosure WHERE seq = 3",), "seq 3: disclosures"),
    "one disclosure": (
        ("DELETE FROM disclosure WHERE disc = (SELECT min(disc) FROM disclosure WHERE seq = 2)",),
        "seq 2: disclosures",
    ),
    "trace": (("DELETE FROM trace WHERE session = '2026-02-15-0a0b0c'",), "seq 5: trace"),
    "foreign trace": (("INSERT INTO trace VALUES ('x', 'y', 'z')",), "trace"),
    "foreign disclosure": (("INSERT INTO disclosure VALUES (1, 4, 'W10')",), "seq 4"),
    "disclosure of no record": (("INSERT INTO disclosure VALUES (1, 77, 'W10')",), "seq 6: disclosure"),
    "outbox of a receipted record": (("INSERT INTO outbox VALUES (1, 0, 'x')",), "seq 0: outbox"),
    "outbox of no record": (("INSERT INTO outbox VALUES (1, 77, 'x')",), "seq 6: outbox"),
    "second epoch": (("INSERT INTO log SELECT 2, 0, leaf, jws FROM log WHERE seq = 0",), "epoch 2"),
}


@pytest.mark.req("S34")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_or_a_new_order_is_found(finished: Any, copy: Path, loss: str) -> None:
    """Truncation, drops, swaps, repeats and strays are found at the place where they are."""
    statements, place = LOSSES[loss]
    tamper(copy, *statements)
    assert any(place in each.sentence() for each in findings(copy, finished)), findings(copy, finished)


@pytest.mark.req("S34")
async def test_a_truncation_under_an_old_genuine_head_is_found_by_the_receipt(bench: Any) -> None:
    """Going back to an earlier signed head is found as soon as the pharmacy has receipted more."""
    bench.write_trust()
    ledger = await bench.open()
    old_head = ledger.head_note
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.close()
    assert not findings(bench.path, bench)
    old = ("DELETE FROM log WHERE seq > 0", "DELETE FROM disclosure", "DELETE FROM trace", "DELETE FROM outbox")
    tamper(bench.path, *old)
    tamper(bench.path, "UPDATE head SET size = 1, note = ?", values=(old_head,))
    assert "seq 1: truncated" in " ".join(each.sentence() for each in findings(bench.path, bench))


def test_guards_that_are_gone_are_a_finding(finished: Any, copy: Path) -> None:
    """A ledger whose trigger was dropped is named even where no row has changed."""
    db = sqlite3.connect(copy)
    db.execute("DROP TRIGGER log_is_never_shortened")
    db.close()
    (found,) = findings(copy, finished)
    assert "log_is_never_shortened" in found.seen


def test_a_unit_without_a_trusted_key_is_a_finding(finished: Any, copy: Path, tmp_path: Path) -> None:
    """Records of a unit that the trust folder does not know prove nothing."""
    trust = Path(shutil.copytree(finished.trust, tmp_path / "trust"))
    (trust / "neb-0001.vkey").unlink()
    auditor = Auditor(unit_key=partial(load_unit_trust, trust), pharmacy=load_trust(trust, "pharmacy"), verify=verify)
    with LedgerFile.open(copy) as file:
        (found,) = auditor.audit(file)
    assert isinstance(found, Finding)
    assert "neb-0001.vkey" in found.what


async def test_a_running_ledger_is_audited_as_it_stood(bench: Any) -> None:
    """The audit works while the writer goes on, on one consistent picture, and writes nothing."""
    bench.write_trust()
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    auditor = Auditor(unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify)
    with LedgerFile.open(bench.path) as file:
        await bench.give_dose(ledger, "2026-02-15-0a0b0c")
        (tally,) = auditor.audit(file)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            file.db.execute("DELETE FROM trace_rows")
    assert isinstance(tally, LogTally)
    assert tally.records == 3
    (later,) = audit(bench.path, bench)
    assert isinstance(later, LogTally)
    assert later.records == 5
    await ledger.close()


def test_a_copy_is_read_without_leaving_files_beside_it(finished: Any, copy: Path) -> None:
    """Reading a lone database file creates neither a write-ahead log nor shared memory."""
    audit(copy, finished)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "foreign"])
def test_a_file_that_is_no_ledger_is_one_line(copy: Path, damage: str, finished: Any) -> None:
    """A cut, foreign or empty file ends in a StoreFault of one line, or in findings."""
    make: dict[str, Callable[[], object]] = {
        "cut": lambda: copy.write_bytes(copy.read_bytes()[:9000]),
        "text": lambda: copy.write_text("hello"),
        "empty": lambda: copy.write_bytes(b""),
        "foreign": lambda: [copy.unlink(), sqlite3.connect(copy).execute("CREATE TABLE t(x)").connection.close()],
    }
    make[damage]()
    with pytest.raises(StoreFault) as caught:
        audit(copy, finished)
    assert "\n" not in str(caught.value)


@pytest.mark.req("S35")
async def test_a_signature_means_what_a_page_offers(bench: Any) -> None:
    """Each signature whose meaning is none that a page shows is a finding at its place; those that are offered pass."""
    bench.write_trust()
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    said: list[Any] = ["I read it.", 7, ["I gave this dose and observed the subject."], None, *MEANINGS]
    kept = await ledger.append(
        [Draft(typ="signature", facts={"ref_seq": 1, "meaning": each}) for each in said], bench.at()
    )
    await ledger.close()
    found = findings(bench.path, bench)
    assert [(each.seq, each.what) for each in found] == [(entry.seq, "meaning") for entry in kept[:4]]
    assert all(each.expected == EXPECTED for each in found)
