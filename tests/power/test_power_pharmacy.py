"""A power cut at every write and sync of the pharmacy's intake: what a receipt covers is there (S40)."""

import asyncio
import contextlib
import itertools
import random
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, note, tree
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.pharmacy.database import own
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted, Duplicate
from nebctl.publish.topics import format_record
from nebctl.store import database
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.faults import StoreFault
from nebctl.store.ledger import UnitLedger
from nebctl.store.reader import LedgerFile

SITE, FILE = "sim.mexcovid.example", "pharmacy.db"
UNITS = {name: Ed25519Signer.from_seed(name.encode().ljust(32, b"u")) for name in ("neb-0001", "neb-0002")}
PHARMACY = Ed25519Signer.from_seed(b"p" * 32)
WITNESS = Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, PHARMACY.public)
START_NS = 1_771_081_200_000_000_000
SEED = 20_260_215
RECORDS = 9


@dataclass(frozen=True, slots=True)
class Given:
    """A receipt that the pharmacy gave out."""

    unit: str
    note: str


def vkey(unit: str, _epoch: int = 1) -> Vkey:
    """Return a unit's verifier key."""
    return Vkey(head.origin(SITE, unit, 1), note.ED25519, UNITS[unit].public)


async def record(folder: Path, unit: str, count: int) -> list[tuple[bytes, str]]:
    """Return the messages of a unit's first records, each with its text."""
    ticks = itertools.count()

    def now() -> Instant:
        ns = next(ticks) * 1_000_000_000
        return Instant(mono_ns=ns, wall_ns=START_NS + ns, boot="b", clock=ClockState(sync=True, source="sim"))

    stamp = Stamp(unit=unit, epoch=1, software="t", config_sha256="0" * 64, simulated=True)
    ledger = await UnitLedger.open(
        folder / f"{unit}.db", site=SITE, unit=unit, signer=UNITS[unit], verify=verify, witness=None, stamp=stamp,
        random=random.Random(unit).randbytes, at=now(),
    )  # fmt: skip
    drafts = [Draft(typ="chart", private={"text": "x" * 500 * number}) for number in range(count - 1)]
    await ledger.append(drafts, now())
    waiting = await ledger.unreceipted(count)
    await ledger.close()
    return [(format_record(each.jws, each.disclosures, each.head_line), each.jws) for each in waiting]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[bytes, str]]]:
    """What two units have to send."""
    folder = tmp_path_factory.mktemp("units")
    return {unit: asyncio.run(record(folder, unit, RECORDS)) for unit in UNITS}


def intake(path: Path, connect: Any, messages: Any, mark: Any) -> None:
    """Enrol both units, take their records in turns, and countersign now and then, as the service does."""
    with own(path, connect) as db:
        for unit in UNITS:
            enrol_unit(db, SITE, unit, vkey(unit), START_NS)
        ingest = Ingest(db, simulated=True, verify=verify)
        for start in range(0, RECORDS, 3):
            for number in range(start, start + 2):
                ingest.take_all([Arrival(unit, messages[unit][number][0]) for unit in UNITS], START_NS)
            for unit in UNITS:
                ingest.take(unit, messages[unit][start + 2][0], START_NS)
            for unit, receipt in ingest.countersign_all(UNITS, WITNESS.name, PHARMACY, START_NS).items():
                mark(Given(unit, str(receipt)))


def check(path: Path, marks: list[Any], messages: Any) -> None:
    """Hold what a cut left against the receipts that were out, then take everything again and audit all of it."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with own(path) as db:
        for given in marks:
            receipt = head.open_receipt(given.note, vkey(given.unit), WITNESS, verify).checkpoint
            kept = db.execute("SELECT jws FROM rec WHERE unit = ? ORDER BY seq", (given.unit,)).fetchall()
            assert len(kept) >= receipt.size, "a receipted record is lost"
            root = tree.root_of(tree.leaf_hash(text.encode()) for (text,) in kept[: receipt.size])
            assert root == receipt.root, "a receipt is over other records"
            witnessed = db.execute("SELECT max(size) FROM witness WHERE unit = ?", (given.unit,)).fetchone()[0]
            assert witnessed >= receipt.size, "the pharmacy forgot that it countersigned"
        for unit in UNITS:
            enrol_unit(db, SITE, unit, vkey(unit), START_NS)
        ingest = Ingest(db, simulated=True, verify=verify)
        for unit, sent in messages.items():
            taken = [ingest.take(unit, body, START_NS) for body, _ in sent]
            assert all(isinstance(each, Accepted | Duplicate) for each in taken), taken
            ingest.countersign(unit, WITNESS.name, PHARMACY, START_NS)
    auditor = Auditor(unit_key=vkey, pharmacy=WITNESS, verify=verify)
    with LedgerFile.open(path) as file:
        results = list(auditor.audit(file))
    assert all(isinstance(each, LogTally) for each in results), results
    assert [each.records for each in results] == [RECORDS] * len(UNITS)


@pytest.mark.soak
@pytest.mark.req("S40")
def test_a_cut_at_any_operation_loses_nothing_receipted(
    power: Any, folder: Path, messages: Any, soak: int, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a cut leaves, each receipt that was given out stands over what is kept, and all can be sent again."""
    monkeypatch.setattr(database, "CHECKPOINT_PAGES", 24)
    disk = power.Disk()
    intake(folder / FILE, disk.connect, messages, disk.mark)
    dice, tried = random.Random(SEED), 0
    share, variants = (1.0, 3 * soak) if soak else (0.03, 1)
    for number, moment in disk.moments():
        if dice.random() >= share:
            continue
        for choose in power.cuts(dice, variants):
            path = power.lay_down(moment.image(choose), folder / "cut", FILE)
            try:
                check(path, moment.marks, messages)
            except (AssertionError, StoreFault, sqlite3.Error) as fault:
                fault.add_note(f"seed {SEED}: after a cut before operation {number}, case {tried}")
                raise
            shutil.rmtree(path.parent)
            tried += 1
    say(f"power cut, pharmacy: seed {SEED}: {tried} cuts, {len(disk.asked)} operations")
    assert tried > 20
