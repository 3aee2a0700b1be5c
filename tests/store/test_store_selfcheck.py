"""At the start the writer believes nothing: a file that lost, gained or changed anything is not written to."""

import sqlite3
from typing import Any

import pytest

from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer
from nebctl.store import schema
from nebctl.store.faults import StoreFault

DAMAGE = {
    "last record dropped": ("DELETE FROM log WHERE seq = 5", r"epoch 1 seq 5: 5 records", "6 of the signed head"),
    "all records dropped": ("DELETE FROM log", "epoch 1 seq 0: 0 records", "3 that the pharmacy receipted"),
    "receipted record dropped": ("DELETE FROM log WHERE seq >= 2", "seq 2: 2 records", "3 that the pharmacy"),
    "record dropped in the middle": ("DELETE FROM log WHERE seq = 4", "seq 4: record 5 next", "record 4"),
    "leaf changed": ("UPDATE log SET leaf = randomblob(32) WHERE seq = 4", "seq 5: another root", "signed head"),
    "receipted leaf changed": (
        "UPDATE log SET leaf = randomblob(32) WHERE seq = 1",
        "seq 3: another root",
        "receipted",
    ),
    "last record changed": ("UPDATE log SET jws = (SELECT jws FROM log WHERE seq = 4) WHERE seq = 5", "seq 5", "leaf"),
    "last record illegible": ("UPDATE log SET jws = 'x.y' WHERE seq = 5", "seq 5: JWS", "header.payload.signature"),
    "head gone": ("DELETE FROM head", "seq 0: no signed head", "a head"),
    "head illegible": ("UPDATE head SET note = 'x'", "seq 0: note", "own"),
    "receipt illegible": ("UPDATE receipt SET note = 'x'", "last receipt, note", "signature lines"),
    "one record added": ("INSERT INTO log SELECT 1, 6, leaf, jws FROM log WHERE seq = 5", "7 records", "6 of the"),
}


@pytest.mark.req("S34")
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_log_is_not_opened(bench: Any, damage: str) -> None:
    """The fault names unit, epoch, sequence, what was seen and what was expected, and the file stays as it is."""
    statement, seen, expected = DAMAGE[damage]
    await _fill(bench)
    _tamper(bench, statement)
    before = bench.path.read_bytes()
    with pytest.raises(StoreFault, match=f"unit neb-0001.*{seen}") as caught:
        await bench.open()
    assert expected in caught.value.expected
    assert "\n" not in str(caught.value)
    assert bench.path.read_bytes() == before


async def test_dropped_guards_are_noticed(bench: Any) -> None:
    """A ledger whose triggers are gone is not written to."""
    await _fill(bench)
    with sqlite3.connect(bench.path) as db:
        db.execute("DROP TRIGGER log_is_never_changed")
    db.close()
    with pytest.raises(StoreFault, match="log_is_never_changed changed or missing"):
        await bench.open()


async def test_another_units_key_or_name_does_not_open_it(bench: Any) -> None:
    """A ledger opens only with the key that signed its head, under the same site."""
    await _fill(bench)
    for change in ({"signer": Ed25519Signer.from_seed(b"x" * 32)}, {"site": "sim.other.example"}):
        with pytest.raises(StoreFault, match=r"unit neb-0001 epoch 1|a key file that holds key"):
            await bench.open(**change)
    await (await bench.open()).close()


async def test_another_pharmacys_receipts_do_not_pass(bench: Any) -> None:
    """Receipts are checked by the pinned pharmacy key; without one only their own signature and root are."""
    await _fill(bench)
    other = Vkey("sim.other.example/nebctl-pharmacy", 4, b"\1" * 32)
    with pytest.raises(StoreFault, match="last receipt"):
        await bench.open(witness=other)
    await (await bench.open(witness=None)).close()


async def test_a_database_of_a_later_version_is_refused(bench: Any) -> None:
    """An older nebctl does not write to a newer file."""
    await _fill(bench)
    with sqlite3.connect(bench.path) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(StoreFault, match=f"version {schema.VERSION + 1}"):
        await bench.open()


async def _fill(bench: Any) -> None:
    ledger = await bench.open()
    for _ in range(2):
        await ledger.append([Draft(typ="chart")], bench.at())
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    for _ in range(3):
        await ledger.append([Draft(typ="chart")], bench.at())
    await ledger.close()


def _tamper(bench: Any, statement: str) -> None:
    """Do what a careless person with the file would do: switch the guards off, change, switch them on again."""
    db = sqlite3.connect(bench.path, isolation_level=None)
    for name in schema.triggers():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(statement)
    for sql in schema.triggers().values():
        db.execute(sql)
    db.close()


@pytest.mark.req("S34")
async def test_a_ledger_that_is_gone_is_not_begun_anew(bench: Any) -> None:
    """A unit whose database vanished does not start a second log under the same key."""
    await _fill(bench)
    for file in bench.path.parent.glob(f"{bench.path.name}*"):
        if file.suffix != ".lock":
            file.unlink()
    with pytest.raises(StoreFault, match="there was a ledger here before"):
        await bench.open()
    assert not bench.path.exists()
