"""Two computers with one key, after a card was copied: one history is kept, the other is evidence."""

import contextlib
import sqlite3
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli.pharmacy import pharmacy
from nebctl.core.ledger import jws
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import Ed25519Signer, verify
from nebctl.publish.topics import parse_record
from nebctl.store.outbox import ReceiptRefused, Refusal

KEY = Vkey("sim.mexcovid.example/nebctl/neb-0001/1", ED25519, Ed25519Signer.from_seed(b"\x01" * 32).public)


def evidence(stream: Any) -> list[tuple[str, bytes]]:
    """Return what the pharmacy keeps as evidence."""
    with contextlib.closing(sqlite3.connect(stream.folder / "pharmacy.db")) as db:
        return db.execute("SELECT reason, body FROM evidence").fetchall()


def parted(stream: Any) -> bool:
    """Return whether a unit was told that its log and the pharmacy's have parted."""
    kinds = {answer.kind for answer in stream.answers if isinstance(answer, ReceiptRefused)}
    return not kinds.isdisjoint((Refusal.FORK, Refusal.ROLLBACK))


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_a_cloned_card_is_found_and_proven(stream: Any) -> None:
    """The pharmacy keeps one history; the other's record of one place, under the same key, is kept as the proof."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(3)
    await stream.until(stream.all_receipted, "both have the same past")
    await stream.stop("unit")
    clone = await stream.clone()
    stream.run_unit()
    await stream.append(2)
    await stream.until(stream.all_receipted, "the first one's records are receipted")
    clone.run_unit()
    try:
        await clone.append(2)
        await stream.until(lambda: parted(clone), "the clone is told")
        await stream.until(lambda: evidence(stream), "the evidence")
    finally:
        await clone.stop("unit")
        await clone.ledger.close()
    assert stream.kept() == await stream.written()
    assert not parted(stream)
    reason, body = evidence(stream)[0]
    found = parse_record(body)
    assert found is not None
    other = jws.parse(found.jws)
    kept = jws.parse(stream.kept()[int(str(other.payload["seq"]))])
    assert (reason, other.payload["seq"]) == ("fork", kept.payload["seq"])
    assert other.payload != kept.payload
    shown = CliRunner().invoke(pharmacy, ["show", "--db", str(stream.folder / "pharmacy.db"), "--unit", "neb-0001"])
    assert shown.exit_code == 1
    assert f"fork: boot 1/{kept.payload['seq']}; another record is kept there: two histories" in shown.stdout
    for one in (other, kept):
        assert verify(KEY.public, one.signing_input, one.signature)
