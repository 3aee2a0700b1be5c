"""A ledger that was handed over to another key is checked by both, each at its own places, from the first key alone."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.ledger import head, note
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store import schema
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer

NEW = Ed25519Signer.from_seed(b"n" * 32)


@pytest.fixture
def writer(bench: Any) -> Writer:
    """Open the bench's ledger by its writer."""
    bench.write_trust()
    stamp = Stamp(unit="neb-0001", epoch=1, software="test", config_sha256="0" * 64, simulated=True)
    sealer = Sealer(
        site="sim.mexcovid.example",
        stamp=stamp,
        signer=bench.unit,
        verify=verify,
        witness=bench.pharmacy_vkey,
        random=bench.random,
    )
    writer = Writer(bench.path, sealer)
    writer.open(bench.at())
    return writer


def audit(bench: Any) -> list[Finding | LogTally]:
    """Return everything that the audit says."""
    auditor = Auditor(unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify)
    with LedgerFile.open(bench.path) as file:
        return list(auditor.audit(file))


def receipt(writer: Writer, bench: Any) -> str:
    """Return the receipt over all records, by the newest key's line alone."""
    parsed = note.parse_note(writer.tip.head_note)
    checkpoint = head.Checkpoint.parse(parsed.text)
    line = head.cosign(checkpoint, 1_771_081_300, bench.pharmacy_vkey.name, bench.pharmacy)
    return note.assemble_note(parsed.text, [parsed.lines[-1].text(), line])


@pytest.mark.req("S34")
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("receipted", [False, True])
def test_both_keys_hold_each_at_its_places(writer: Writer, bench: Any, after: int, receipted: bool) -> None:
    """Right at the handover, one record later or more, waiting or receipted: nothing is found."""
    writer.append([Draft(typ="clock"), Draft(typ="clock")], bench.at())
    writer.rotate(NEW, bench.at())
    for _ in range(after):
        writer.append([Draft(typ="clock")], bench.at())
    if receipted:
        writer.take_receipt(receipt(writer, bench))
    writer.close()
    (tally,) = audit(bench)
    assert isinstance(tally, LogTally), tally
    assert (tally.records, tally.receipts) == (4 + after, int(receipted))


def _old_line_alone(db: sqlite3.Connection) -> None:
    db.execute("UPDATE outbox SET head_line = substr(head_line, 1, instr(head_line, char(10))) WHERE seq = 2")


def _swapped_lines(db: sqlite3.Connection) -> None:
    (line,) = db.execute("SELECT head_line FROM outbox WHERE seq = 2").fetchone()
    first, second = line.splitlines(keepends=True)
    db.execute("UPDATE outbox SET head_line = ? WHERE seq = 2", (second + first,))


@pytest.mark.req("S34")
@pytest.mark.parametrize("harm", [_old_line_alone, _swapped_lines])
def test_the_handover_needs_both_lines(writer: Writer, bench: Any, harm: Callable[[sqlite3.Connection], None]) -> None:
    """The head over the key record that waits in the outbox carries the old key's line, then the new one's."""
    writer.append([Draft(typ="clock")], bench.at())
    writer.rotate(NEW, bench.at())
    writer.close()
    assert isinstance(audit(bench)[0], LogTally)
    db = sqlite3.connect(bench.path)
    for name in schema.triggers():
        db.execute(f"DROP TRIGGER {name}")
    harm(db)
    for sql in schema.triggers().values():
        db.execute(sql)
    db.commit()
    db.close()
    found = audit(bench)[0]
    assert isinstance(found, Finding)
    assert (found.seq, found.what) == (2, "outbox head line")
