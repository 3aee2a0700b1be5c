"""Any one bit of any stored record, head or receipt: changed, it is found at the start or by the audit."""

import asyncio
import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.envelope import Stamp
from nebctl.keys import verify
from nebctl.pharmacy.database import own
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.publish.topics import format_record
from nebctl.store import schema
from nebctl.store.audit import Auditor
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer

SITE, NAME = "sim.mexcovid.example", "neb-0001"
NOW_NS = 1_771_081_300_000_000_000
SEED = 34
UNIT = {
    "log": ("ep", "seq", "leaf", "jws"),
    "head": ("ep", "size", "root", "note"),
    "receipt": ("ep", "size", "note"),
    "disclosure": ("ep", "seq", "disc"),
    "outbox": ("ep", "seq", "head_line"),
    "trace": ("session", "sha256", "csv"),
}
PHARMACY = {
    "rec": ("unit", "ep", "seq", "leaf", "jws"),
    "tip": ("unit", "ep", "size", "frontier", "head_line"),
    "witness": ("unit", "ep", "size", "root", "note", "cosigned_at"),
    "disclosure": ("unit", "ep", "seq", "disc"),
}
INTEGER_BITS = 63
START_FINDS = {("log", "leaf"), ("head", "note"), ("log", "seq"), ("log", "ep"), ("head", "ep")}
"""What the start finds wherever it is; it looks at the newest receipt and the last record too, the audit at all."""


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit of one cell: the table, the row in the order of its key, the column, and which."""

    table: str
    row: int
    column: str
    bit: int


def bits_of(path: Path, columns: dict[str, tuple[str, ...]]) -> list[Bit]:
    """Return every bit of the kept cells of a database."""
    found = []
    with contextlib.closing(sqlite3.connect(path)) as db:
        for table, names in columns.items():
            for row, values in enumerate(db.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2, 3")):
                for column, value in zip(names, values, strict=True):
                    found += [Bit(table, row, column, bit) for bit in range(_width(value))]
    return found


def _width(value: Any) -> int:
    return INTEGER_BITS if isinstance(value, int) else 8 * len(value.encode() if isinstance(value, str) else value)


def _flipped(value: Any, bit: int) -> Any:
    if isinstance(value, int):
        return value ^ (1 << bit)
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


@contextlib.contextmanager
def changed(path: Path, columns: dict[str, tuple[str, ...]], bit: Bit) -> Iterator[bool]:
    """Change the bit behind the guards' back and back again; gives False where a rule of the table refuses it."""
    names = columns[bit.table]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        row = db.execute(f"SELECT {', '.join(names)} FROM {bit.table} ORDER BY 1, 2, 3").fetchall()[bit.row]
        key = dict(zip(names, row, strict=True))
        value = _flipped(key[bit.column], bit.bit)
        try:
            _update(db, bit, key, value)
        except sqlite3.IntegrityError:
            yield False
            return
        yield True
        _update(db, bit, {**key, bit.column: value}, key[bit.column])


def _update(db: sqlite3.Connection, bit: Bit, key: dict[str, Any], value: Any) -> None:
    guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    where = " AND ".join(f"CAST({name} AS BLOB) = CAST(? AS BLOB)" for name in key)
    # The column keeps its kind: what is a text stays one, whatever its bytes are.
    (kind,) = db.execute(f"SELECT typeof({bit.column}) FROM {bit.table}").fetchone()
    new = "CAST(? AS TEXT)" if kind == "text" else "?"
    db.execute("BEGIN")
    try:
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        done = db.execute(f"UPDATE {bit.table} SET {bit.column} = {new} WHERE {where}", (value, *key.values()))
        for _, sql in guards:
            db.execute(sql)
        assert done.rowcount == 1
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def sampled(bits: list[Bit], most: int, soak: int) -> list[Bit]:
    """Return some bits of each column, or all of them in the long form."""
    if soak:
        return bits
    dice, chosen = random.Random(SEED), []
    for column in sorted({(bit.table, bit.column) for bit in bits}):
        own_bits = [bit for bit in bits if (bit.table, bit.column) == column]
        chosen += dice.sample(own_bits, min(most, len(own_bits)))
    return chosen


def audited(path: Path, bench: Any) -> bool:
    """Return whether the audit finds something."""
    auditor = Auditor(unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify)
    try:
        with LedgerFile.open(path) as file:
            return any(isinstance(result, Finding) for result in auditor.audit(file))
    except StoreFault:
        return True


def started(path: Path, bench: Any) -> bool:
    """Return whether the start finds something."""
    stamp = Stamp(unit=NAME, epoch=1, software="nebctl test", config_sha256="0" * 64, simulated=True)
    sealer = Sealer(
        site=SITE, stamp=stamp, signer=bench.unit, verify=verify, witness=bench.pharmacy_vkey, random=bench.random
    )
    writer = Writer(path, sealer)
    try:
        writer.open(bench.at())
    except StoreFault:
        return True
    writer.close()
    return False


def in_one_file(path: Path) -> None:
    """Leave the write-ahead log, so that nothing but the file counts."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")


@pytest.mark.soak
@pytest.mark.req("S34")
def test_one_bit_of_a_units_ledger_is_found(finished: Any, tmp_path: Path, soak: int, say: Callable[..., None]) -> None:
    """Of every kept table, column and row: the start refuses the ledger, or the audit names the finding."""
    path = Path(shutil.copy(finished.path, tmp_path / "unit.db"))
    in_one_file(path)
    tried = at_start = 0
    for bit in sampled(bits_of(path, UNIT), 8, soak):
        with changed(path, UNIT, bit) as done:
            if not done:
                continue
            tried += 1
            start = started(path, finished)
            at_start += start
            assert start or audited(path, finished), bit
            assert start or (bit.table, bit.column) not in START_FINDS, bit
    say(f"one bit, unit: seed {SEED}: {tried} tried, {at_start} found at the start, the others by the audit")
    assert not audited(path, finished), "it is as it was"
    assert tried > 60


@pytest.fixture(scope="module")
def pharmacy(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pharmacy's database that took in and countersigned a unit's records."""
    bench = type(finished)(tmp_path_factory.mktemp("bits"))
    path: Path = bench.folder / "pharmacy.db"
    with own(path) as db:
        enrol_unit(db, SITE, NAME, bench.unit_vkey, NOW_NS)
        ingest = Ingest(db, simulated=True, verify=verify)
        for body in asyncio.run(_messages(bench)):
            ingest.take(NAME, body, NOW_NS)
        assert ingest.countersign(NAME, bench.pharmacy_vkey.name, bench.pharmacy, NOW_NS)
    in_one_file(path)
    return path


async def _messages(bench: Any) -> list[bytes]:
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    waiting = await ledger.unreceipted()
    await ledger.close()
    return [format_record(each.jws, each.disclosures, each.head_line) for each in waiting]


@pytest.mark.soak
@pytest.mark.req("S34")
def test_one_bit_of_what_the_pharmacy_keeps_is_found(
    pharmacy: Path, finished: Any, tmp_path: Path, soak: int, say: Callable[..., None]
) -> None:
    """Of every record, head, receipt and disclosure in pharmacy.db, the audit names the finding."""
    path = Path(shutil.copy(pharmacy, tmp_path / "pharmacy.db"))
    tried = 0
    for bit in sampled(bits_of(path, PHARMACY), 6, soak):
        with changed(path, PHARMACY, bit) as done:
            if done:
                tried += 1
                assert audited(path, finished), bit
    say(f"one bit, pharmacy: seed {SEED}: {tried} tried")
    assert not audited(path, finished), "it is as it was"
    assert tried > 60


def test_the_columns_are_all_there_are(finished: Any) -> None:
    """No column of a kept table is left out; live rows, restorations and the list of what was erased are not signed."""
    with contextlib.closing(sqlite3.connect(finished.path)) as db:
        tables = set(schema.expected(schema.VERSION)) - set(schema.triggers()) - {"trace_rows", "restored", "erased"}
        found = {table: tuple(row[1] for row in db.execute(f"PRAGMA table_info({table})")) for table in tables}
    assert found == UNIT
