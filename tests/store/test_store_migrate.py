"""An older ledger is brought up to this version: whole or not at all, with every guard, and no record touched."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.epoch import Permit
from nebctl.core.ledger.head import origin
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store import schema
from nebctl.store.epochs import begin_epoch
from nebctl.store.faults import StoreFault
from nebctl.store.sealing import Sealer

VERSION_1 = Path(__file__).with_name("version-1.sql")
"""The database as nebctl 0.1.0 made it, so that a change of step 1 cannot pass."""
UNIT, SITE = "neb-0001", "sim.mexcovid.example"
KEPT = ("log", "disclosure", "head", "outbox", "receipt", "trace")


def rows(path: Path) -> dict[str, list[Any]]:
    """Return every row of the kept tables."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in KEPT}


@pytest.fixture
def old(finished: Any, bench: Any) -> Any:
    """A unit whose closed ledger was written by version 1."""
    content = rows(finished.path)
    with contextlib.closing(sqlite3.connect(bench.path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSION_1.read_text())
        guards = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        made = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        for name in guards:
            db.execute(f"DROP TRIGGER {name}")
        for table, values in content.items():
            marks = ", ".join("?" * len(values[0]))
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        for sql in made.values():
            db.execute(sql)
    return bench


async def test_a_ledger_of_version_1_is_brought_up(old: Any) -> None:
    """Every guard of this version stands, no row differs, the log goes on, and the step is noted by sqlite-utils."""
    before = rows(old.path)
    ledger = await old.open()
    assert rows(old.path) == before
    (entry,) = await ledger.append([Draft(typ="chart")], old.at())
    assert entry.seq == len(before["log"])
    await ledger.close()
    with contextlib.closing(sqlite3.connect(old.path)) as db:
        assert schema.version_of(db) == schema.VERSION
        assert schema.altered(db) == []
        triggers = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        assert triggers == set(schema.triggers())
        noted = db.execute("SELECT migration_set, name FROM _sqlite_migrations").fetchall()
        assert noted == [("nebctl.ledger", f"version {n}") for n in range(2, schema.VERSION + 1)]
    await (await old.open()).close()


async def test_an_epoch_begins_in_a_ledger_of_version_1(old: Any) -> None:
    """A file that nothing opened since version 1 is brought up before its next epoch begins; no old row differs."""
    before = rows(old.path)["log"]
    stamp = Stamp(unit=UNIT, epoch=2, software="nebctl test", config_sha256="0" * 64, simulated=True)
    signer = Ed25519Signer.from_seed(b"\x02" * 32)
    name = origin(SITE, UNIT, 2)
    sealer = Sealer(site=SITE, stamp=stamp, signer=signer, verify=verify, witness=None, random=old.random)
    begun = begin_epoch(old.path, sealer, Permit(vkey=Vkey(name, ED25519, signer.public), last=None), old.at())
    assert begun.epoch == 2
    after = rows(old.path)["log"]
    assert after[: len(before)] == before
    assert [row[0] for row in after[len(before) :]] == [2] * (1 + begun.divergent)
    with contextlib.closing(sqlite3.connect(old.path)) as db:
        assert schema.version_of(db) == schema.VERSION
        assert schema.altered(db) == []


async def test_a_step_that_fails_leaves_the_old_version(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step whose second statement fails is taken back whole; the next start takes it again."""
    broken = (schema.STEPS[0], (*schema.STEPS[1], "CREATE TABLE log(x)"))
    with monkeypatch.context() as patched:
        patched.setattr(schema, "STEPS", broken)
        with pytest.raises(StoreFault, match="log"):
            await old.open()
    with contextlib.closing(sqlite3.connect(old.path)) as db:
        assert schema.version_of(db) == 1
        assert schema.altered(db) == []
    await (await old.open()).close()
    with contextlib.closing(sqlite3.connect(old.path)) as db:
        assert schema.version_of(db) == schema.VERSION


async def test_a_damaged_old_ledger_is_refused_before_it_is_changed(old: Any) -> None:
    """What does not hold is not brought up: the file stays as it was."""
    with contextlib.closing(sqlite3.connect(old.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER head_is_never_deleted")
        db.execute("DELETE FROM head")
        db.execute(schema.triggers(1)["head_is_never_deleted"])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = old.path.read_bytes()
    with pytest.raises(StoreFault, match="no signed head"):
        await old.open()
    assert old.path.read_bytes() == before


def test_a_new_ledger_has_what_the_steps_make() -> None:
    """The first step makes byte for byte what version 1 was, and a step never loses a guard of the one before."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(VERSION_1.read_text())
        assert dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")) == schema.expected(1)
    for number in range(2, schema.VERSION + 1):
        assert set(schema.triggers(number - 1)) <= set(schema.triggers(number))
