"""From the unit's outbox through the pharmacy's intake and back: both databases then hold, and are audited alike."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.bundle import Verified, verify_bundle
from nebctl.cli.ledger import ledger as command
from nebctl.core.ledger.check import Finding
from nebctl.keys import verify
from nebctl.pharmacy import tables
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.publish.topics import format_record
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.outbox import Receipted
from nebctl.store.reader import LedgerFile

NOW_NS = 1_771_081_300_000_000_000
DOSE = "2026-02-14-7f3a9c"


@pytest.fixture(scope="module")
def delivered(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pharmacy's database that took in what a unit had waiting, and countersigned it for the unit."""
    bench = type(finished)(tmp_path_factory.mktemp("delivered"))
    path: Path = bench.folder / "pharmacy.db"
    db = sqlite3.connect(path, isolation_level=None)
    tables.prepare(db)
    enrol_unit(db, "sim.mexcovid.example", "neb-0001", bench.unit_vkey, NOW_NS)
    asyncio.run(_deliver(bench, db))
    db.close()
    return path


async def _deliver(bench: Any, db: sqlite3.Connection) -> None:
    ledger = await bench.open()
    await bench.give_dose(ledger, DOSE)
    ingest = Ingest(db, simulated=True, verify=verify)
    for waiting in await ledger.unreceipted():
        ingest.take("neb-0001", format_record(waiting.jws, waiting.disclosures, waiting.head_line), NOW_NS)
    note = ingest.countersign("neb-0001", bench.pharmacy_vkey.name, bench.pharmacy, NOW_NS)
    assert await ledger.take_receipt(str(note)) == Receipted(3, NOW_NS // 10**9)
    assert (await ledger.backlog()).waiting == 0
    await ledger.close()


def audit(path: Path, bench: Any) -> list[Finding | LogTally]:
    """Return everything that the audit of a database says."""
    auditor = Auditor(unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify)
    with LedgerFile.open(path) as file:
        return list(auditor.audit(file))


def test_both_ends_hold_after_a_delivery(delivered: Path, finished: Any) -> None:
    """The unit's and the pharmacy's databases pass with the same root."""
    tallies = [result for name in ("pharmacy.db", "unit.db") for result in audit(delivered.parent / name, finished)]
    assert all(isinstance(tally, LogTally) for tally in tallies), tallies
    pharmacy, unit = tallies
    assert isinstance(pharmacy, LogTally)
    assert isinstance(unit, LogTally)
    assert (pharmacy.records, pharmacy.receipts, pharmacy.root) == (unit.records, unit.receipts, unit.root)


@pytest.mark.req("S34")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM rec WHERE seq = 2",
        "UPDATE rec SET unit = 'neb-0002' WHERE seq = 1",
        "UPDATE rec SET ep = 2 WHERE seq = 1",
        "UPDATE rec SET leaf = zeroblob(32) WHERE seq = 1",
        "UPDATE rec SET jws = replace(jws, 'A', 'B') WHERE seq = 1",
        "DELETE FROM tip",
        "UPDATE tip SET size = 2",
        "UPDATE tip SET frontier = zeroblob(64)",
        "UPDATE tip SET frontier = zeroblob(63)",
        "UPDATE tip SET head_line = 'x'",
        "UPDATE witness SET size = 2",
        "UPDATE witness SET root = zeroblob(32)",
        "UPDATE witness SET note = replace(note, 'A', 'B')",
        "UPDATE witness SET cosigned_at = cosigned_at + 1",
        "UPDATE witness SET unit = 'neb-0002'",
        "DELETE FROM disclosure WHERE seq = 2",
        "UPDATE disclosure SET disc = 'W10' WHERE disc = (SELECT min(disc) FROM disclosure)",
    ],
)
def test_a_change_of_what_the_pharmacy_keeps_is_found(
    delivered: Path, finished: Any, tmp_path: Path, statement: str
) -> None:
    """Any one change to what a unit signed or the pharmacy countersigned is a finding."""
    path = Path(shutil.copy(delivered, tmp_path / "pharmacy.db"))
    db = sqlite3.connect(path, isolation_level=None)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    assert db.execute(statement).rowcount
    db.close()
    assert any(isinstance(result, Finding) for result in audit(path, finished))


def test_a_proof_can_come_from_the_pharmacy(delivered: Path, finished: Any, tmp_path: Path) -> None:
    """The pharmacy's database alone is enough to prove a dose."""
    arguments = ["proof", "--db", str(delivered), "--dose", DOSE, "-o", str(tmp_path / "p"), "--disclose", "subject"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    verified = verify_bundle(tmp_path / "p", finished.trust)
    assert isinstance(verified, Verified)
    assert verified.checked.revealed == {"subject": "MEX-001"}
