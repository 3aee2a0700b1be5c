"""Databases whose cells hold what their columns never do: each is a finding in a line, never a traceback."""

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.ledger import ledger as command
from nebctl.keys import verify
from nebctl.pharmacy import tables
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.publish.topics import format_record
from nebctl.store import schema

NOW_NS = 1_771_081_300_000_000_000
WRONG = ["x'fffe00'", "'\x1b[2J\n'", "CAST(x'c328ff' AS TEXT)", "1.5", "-7", "9223372036854775807", "x''"]
UNIT = [
    *(("log", name) for name in ("ep", "seq", "leaf", "jws")),
    *(("disclosure", name) for name in ("ep", "seq", "disc")),
    *(("head", name) for name in ("ep", "size", "root", "note")),
    *(("outbox", name) for name in ("ep", "seq", "head_line")),
    *(("receipt", name) for name in ("ep", "size", "note")),
    *(("trace", name) for name in ("session", "sha256", "csv")),
]
PHARMACY = [
    *(("rec", name) for name in ("unit", "ep", "seq", "leaf", "jws")),
    *(("disclosure", name) for name in ("unit", "ep", "seq", "disc")),
    *(("tip", name) for name in ("unit", "ep", "size", "frontier", "head_line")),
    *(("witness", name) for name in ("unit", "ep", "size", "root", "note", "cosigned_at")),
]


@pytest.fixture(scope="module")
def pharmacy(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pharmacy's database that holds and has countersigned a unit's first dose."""
    bench = type(finished)(tmp_path_factory.mktemp("wrong"))
    path: Path = bench.folder / "pharmacy.db"
    db = sqlite3.connect(path, isolation_level=None)
    tables.prepare(db)
    enrol_unit(db, "sim.mexcovid.example", "neb-0001", bench.unit_vkey, NOW_NS)
    asyncio.run(_deliver(bench, db))
    db.close()
    return path


async def _deliver(bench: Any, db: sqlite3.Connection) -> None:
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    ingest = Ingest(db, simulated=True, verify=verify)
    for waiting in await ledger.unreceipted():
        ingest.take("neb-0001", format_record(waiting.jws, waiting.disclosures, waiting.head_line), NOW_NS)
    assert ingest.countersign("neb-0001", bench.pharmacy_vkey.name, bench.pharmacy, NOW_NS)
    await ledger.close()


def spoil(path: Path, table: str, column: str, value: str) -> None:
    """Write a value into the last row's column, past every rule of the table."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA writable_schema = ON")
    for strict in ("STRICT, ", " STRICT"):
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ?, '') WHERE type = 'table'", (strict,))
    db.execute("DELETE FROM sqlite_master WHERE type = 'trigger'")
    db.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    key = "seq" if table in ("log", "rec", "outbox") else column
    last = f"{key} = (SELECT max({key}) FROM {table})"
    if table == "disclosure":
        last = "(seq, disc) = (SELECT max(seq), disc FROM disclosure)"
    db.execute(f"UPDATE {table} SET {column} = {value} WHERE {last}")
    for sql in schema.triggers().values() if table in ("log", "head", "outbox", "receipt", "trace") else ():
        db.execute(sql)
    db.close()


def run(name: str, path: Path, *more: object) -> Result:
    """Call `nebctl ledger` on a file."""
    return CliRunner().invoke(command, [name, str(path), *map(str, more)])


def assert_found(result: Result) -> None:
    """Assert that a finding was said, on lines that a terminal shows as they are, and nothing was thrown."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines
    assert all(line.isprintable() and len(line) < 500 for line in lines)


def try_all(source: Path, trust: Path, copy: Path, table: str, column: str) -> None:
    """Verify and show a copy with each wrong value in one column."""
    for value in WRONG:
        shutil.copy(source, copy)
        spoil(copy, table, column, value)
        assert_found(run("verify", copy, "--trust", trust))
        assert_found(run("verify", copy, "--trust", trust, "--all"))
        assert run("show", copy).exit_code in (0, 1)


@pytest.mark.req("S34")
@pytest.mark.parametrize(("table", "column"), UNIT, ids=[".".join(column) for column in UNIT])
def test_a_cell_of_the_wrong_kind_in_a_units_ledger_is_found(
    finished: Any, tmp_path: Path, table: str, column: str
) -> None:
    """Bytes, text that is not UTF-8, and numbers out of every range are findings wherever they stand."""
    try_all(finished.path, finished.trust, tmp_path / "unit.db", table, column)


@pytest.mark.req("S34")
@pytest.mark.parametrize(("table", "column"), PHARMACY, ids=[".".join(column) for column in PHARMACY])
def test_a_cell_of_the_wrong_kind_at_the_pharmacy_is_found(
    pharmacy: Path, finished: Any, tmp_path: Path, table: str, column: str
) -> None:
    """The pharmacy's tables have no strict columns of their own, so each may hold anything."""
    try_all(pharmacy, finished.trust, tmp_path / "pharmacy.db", table, column)


@pytest.mark.parametrize(
    ("table", "column", "place"),
    [
        ("rec", "jws", "unit neb-0001 epoch 1 seq 2: record: saw b'"),
        ("rec", "leaf", "unit neb-0001 epoch 1 seq 2: record, leaf: saw 1.5, expected bytes"),
        ("disclosure", "disc", "unit neb-0001 epoch 1 seq 2: disclosure: saw b'"),
        ("tip", "head_line", "unit neb-0001 epoch 1 seq 3: head: saw b'"),
        ("witness", "note", "unit neb-0001 epoch 1 seq 0: receipt: saw b'"),
    ],
)
def test_the_finding_names_the_place(
    pharmacy: Path, finished: Any, tmp_path: Path, table: str, column: str, place: str
) -> None:
    """The line says unit, epoch and sequence, the column, what stands there and what belongs there."""
    copy = Path(shutil.copy(pharmacy, tmp_path / "pharmacy.db"))
    spoil(copy, table, column, "1.5" if column == "leaf" else "x'fffe00'")
    result = run("verify", copy, "--trust", finished.trust)
    assert result.stdout.startswith(place)


def test_bytes_flipped_in_the_file_never_throw(finished: Any, pharmacy: Path, tmp_path: Path) -> None:
    """Wherever bytes of the file itself are changed, the answer is a line and exit code 0 or 1."""
    dice = random.Random(7)
    copy = tmp_path / "flipped.db"
    for turn in range(80):
        data = bytearray((finished.path if turn % 2 else pharmacy).read_bytes())
        for _ in range(dice.choice((1, 1, 40))):
            data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        copy.write_bytes(data)
        result = run("verify", copy, "--trust", finished.trust, "--all")
        assert isinstance(result.exception, SystemExit | None), (turn, result.exception)
        assert result.exit_code in (0, 1)
        assert result.stdout.strip()
