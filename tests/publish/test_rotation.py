"""A signing key replaced while the network is away: the pharmacy follows by itself, and only the valid key counts."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.instant import Instant
from nebctl.core.ledger import head
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, parse_note
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.audit import Auditor
from nebctl.store.faults import StoreFault
from nebctl.store.handovers import handovers
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
FIRST = Ed25519Signer.from_seed(b"\x01" * 32)
SECOND, THIRD = (Ed25519Signer.from_seed(bytes([number]) * 32) for number in (21, 22))
WITNESS = Vkey(f"{SITE}/nebctl-pharmacy", COSIGNATURE, Ed25519Signer.from_seed(b"\x02" * 32).public)
ORIGIN = head.origin(SITE, UNIT, 1)


def rotate(folder: Path, at: Instant, old: Ed25519Signer, new: Ed25519Signer) -> None:
    """Hand the closed ledger over to another key."""
    stamp = Stamp(unit=UNIT, epoch=1, software="test", config_sha256="0" * 64, simulated=True)
    sealer = Sealer(site=SITE, stamp=stamp, signer=old, verify=verify, witness=WITNESS, random=bytes)
    with contextlib.closing(Writer(folder / "unit.db", sealer)) as writer:
        writer.open(at)
        writer.rotate(new, at)


def first_key(_unit: str, _epoch: int) -> Vkey:
    """Return the key that an auditor trusts."""
    return Vkey(ORIGIN, ED25519, FIRST.public)


def findings(path: Path) -> list[Finding]:
    """Return what an auditor who trusts the first key alone finds."""
    auditor = Auditor(unit_key=first_key, pharmacy=WITNESS, verify=verify)
    with LedgerFile.open(path) as file:
        return [found for found in auditor.audit(file) if isinstance(found, Finding)]


async def test_a_rotation_in_an_outage_is_followed(stream: Any) -> None:
    """Two rotations and records of all three keys, written while no broker answers, are taken in and receipted."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(3)
    await stream.until(stream.all_receipted, "the first key's records are receipted")
    await stream.stop("unit")
    await stream.broker.kill()
    await stream.ledger.close()
    rotate(stream.folder, stream.now, FIRST, SECOND)
    await stream.reopen(signer=SECOND)
    await stream.append(2)
    await stream.ledger.close()
    rotate(stream.folder, stream.now, SECOND, THIRD)
    await stream.reopen(signer=THIRD)
    stream.run_unit()
    await stream.append(2)
    await stream.broker.start()
    await stream.until(stream.all_receipted, "everything is receipted")
    assert stream.kept() == await stream.written()
    newest = parse_note(stream.receipts()[-1])
    assert [line.name for line in newest.lines] == [ORIGIN, WITNESS.name]
    assert newest.lines[0].by(Vkey(ORIGIN, ED25519, THIRD.public))
    assert findings(stream.folder / "unit.db") == findings(stream.folder / "pharmacy.db") == []
    assert [span.first for _, span in handovers(stream.folder / "unit.db", first_key)] == [5, 8]


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_the_receipt_over_the_rotation_itself_names_the_new_key(stream: Any) -> None:
    """Where the `key` record is the last, its head has both lines, and the receipt the new key's and the pharmacy's."""
    await stream.broker.start()
    stream.run_pharmacy()
    await stream.ledger.close()
    rotate(stream.folder, stream.now, FIRST, SECOND)
    await stream.reopen(signer=SECOND)
    assert [line.name for line in parse_note(stream.ledger.head_note).lines] == [ORIGIN, ORIGIN]
    stream.run_unit()
    await stream.until(stream.all_receipted, "the rotation is receipted")
    receipt = stream.receipts()[-1]  # records that arrive apart have a receipt each
    assert parse_note(receipt).lines[0].by(Vkey(ORIGIN, ED25519, SECOND.public))
    assert findings(stream.folder / "unit.db") == findings(stream.folder / "pharmacy.db") == []


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_a_thief_of_the_old_key_is_refused(stream: Any, caplog: pytest.LogCaptureFixture) -> None:
    """After the rotation a record signed by the old key is refused for its key, and nothing of it is kept."""
    await stream.broker.start()
    stream.run_pharmacy()
    await stream.ledger.close()
    copy = (stream.folder / "unit.db").read_bytes()
    rotate(stream.folder, stream.now, FIRST, SECOND)
    await stream.reopen(signer=SECOND)
    stream.run_unit()
    await stream.until(stream.all_receipted, "the rotation is receipted")
    await stream.stop("unit")
    await stream.ledger.close()
    (stream.folder / "unit.db").write_bytes(copy)
    await stream.reopen(signer=FIRST)
    await stream.ledger.append([Draft(typ="boot"), Draft(typ="boot"), Draft(typ="boot")], stream.now)
    stream.run_unit()
    await stream.until(lambda: "refused (key)" in caplog.text, "the refusal")
    assert len(stream.kept()) == 2


def test_a_key_file_that_is_behind_the_log_is_named(tmp_path: Path, instant: Instant) -> None:
    """A unit that starts with the old key is told which key its log was handed over to, and what to call."""
    stamp = Stamp(unit=UNIT, epoch=1, software="test", config_sha256="0" * 64, simulated=True)
    sealer = Sealer(site=SITE, stamp=stamp, signer=FIRST, verify=verify, witness=None, random=bytes)
    with contextlib.closing(Writer(tmp_path / "unit.db", sealer)) as writer:
        writer.open(instant)
        writer.rotate(SECOND, instant)
    with contextlib.closing(Writer(tmp_path / "unit.db", sealer)) as writer, pytest.raises(StoreFault) as caught:
        writer.open(instant)
    kid = head.kid(Vkey(ORIGIN, ED25519, SECOND.public))
    assert kid in str(caught.value)
    assert "nebctl keys rotate" in str(caught.value)


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_a_rotation_is_kept_once_and_for_good(stream: Any) -> None:
    """The pharmacy remembers from which record on the new key signs, also after its own restart."""
    await stream.broker.start()
    stream.run_pharmacy()
    await stream.ledger.close()
    rotate(stream.folder, stream.now, FIRST, SECOND)
    await stream.reopen(signer=SECOND)
    stream.run_unit()
    await stream.until(stream.all_receipted, "the rotation is receipted")
    await stream.stop("pharmacy")
    stream.run_pharmacy()
    await stream.append(2)
    await stream.until(stream.all_receipted, "the new key's records are receipted")
    with contextlib.closing(sqlite3.connect(stream.folder / "pharmacy.db")) as db:
        assert db.execute("SELECT unit, ep, first, vkey FROM rotated").fetchall() == [
            (UNIT, 1, 2, Vkey(ORIGIN, ED25519, SECOND.public).text())
        ]
