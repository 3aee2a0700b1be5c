"""The outbox closes by a verified receipt and by nothing else."""

from typing import Any

import pytest

from nebctl.core.ledger import head, note, tree
from nebctl.core.ledger.head import Checkpoint, parse_signature_line, verify_head_line
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.outbox import Backlog, Receipted, ReceiptRefused, Refusal

WALL_NS = 1_771_081_200_000_000_000


async def _filled(bench: Any, count: int = 4) -> tuple[Any, list[str]]:
    """Return a ledger and the head note after each record."""
    ledger = await bench.open()
    heads = [ledger.head_note]
    for i in range(count):
        await ledger.append([Draft(typ="chart", facts={"i": i}, private={"subject": "MEX-001"})], bench.at())
        heads.append(ledger.head_note)
    return ledger, heads


async def test_everything_waits_in_order_with_a_head_for_its_own_size(bench: Any) -> None:
    """Each outgoing record carries its disclosures and the unit's signature over the tree that ends with it."""
    ledger, _ = await _filled(bench)
    entries = await ledger.entries()
    outgoing = await ledger.unreceipted()
    assert [(o.seq, o.jws, o.disclosures) for o in outgoing] == [(e.seq, e.jws, e.disclosures) for e in entries]
    leaves = [entry.leaf for entry in entries]
    for each in outgoing:
        checkpoint = Checkpoint(ledger.origin, each.seq + 1, tree.root_of(leaves[: each.seq + 1]))
        assert verify_head_line(checkpoint, each.head_line, bench.unit_vkey, verify)
        assert each.head_line.endswith("\n")
        assert parse_signature_line(each.head_line).name == ledger.origin
    assert [o.seq for o in await ledger.unreceipted(limit=2)] == [0, 1]
    await ledger.close()


@pytest.mark.req("S40")
async def test_a_receipt_closes_what_it_covers_once(bench: Any) -> None:
    """A receipt of size n closes the records below n; the same or an older one again changes nothing."""
    ledger, heads = await _filled(bench)
    assert await ledger.backlog() == Backlog(5, WALL_NS)
    receipt = bench.receipt(heads[2])
    for text in (receipt, receipt, bench.receipt(heads[0])):
        assert isinstance(await ledger.take_receipt(text), Receipted)
        assert [o.seq for o in await ledger.unreceipted()] == [3, 4]
    assert await ledger.backlog() == Backlog(2, WALL_NS + 3_000_000_000)
    assert await ledger.take_receipt(bench.receipt(heads[4])) == Receipted(5, 1_771_081_300)
    assert (await ledger.unreceipted(), await ledger.backlog()) == ([], Backlog(0, None))
    await ledger.close()


async def test_the_outbox_survives_a_restart(bench: Any) -> None:
    """What waited before a restart waits after it, and what was receipted stays closed."""
    ledger, heads = await _filled(bench)
    await ledger.take_receipt(bench.receipt(heads[1]))
    waiting = await ledger.unreceipted()
    await ledger.close()
    again = await bench.open()
    assert await again.unreceipted() == waiting
    await again.close()


@pytest.mark.parametrize("case", ["other key", "no cosignature", "unit line gone", "bit", "not a note", "extra line"])
async def test_a_receipt_that_is_not_the_pharmacys_closes_nothing(bench: Any, case: str) -> None:
    """A receipt must be exactly the unit's line and the pinned pharmacy key's, over this origin."""
    ledger, heads = await _filled(bench)
    good = bench.receipt(heads[3])
    parsed = note.parse_note(good)
    text = {
        "other key": bench.receipt(heads[3], signer=Ed25519Signer.from_seed(b"x" * 32)),
        "no cosignature": heads[3],
        "unit line gone": note.assemble_note(parsed.text, [parsed.lines[1].text()]),
        "bit": good.replace("\n4\n", "\n5\n"),
        "not a note": "hello",
        "extra line": good + parsed.lines[1].text(),
    }[case]
    refused = await ledger.take_receipt(text)
    assert isinstance(refused, ReceiptRefused)
    assert refused.kind is Refusal.FORMAT
    assert "\n" not in refused.reason
    assert (await ledger.backlog()).waiting == 5
    await ledger.close()


async def test_a_receipt_beyond_the_log_is_a_rollback(bench: Any) -> None:
    """A good receipt for more records than the log has says that this file is an old copy."""
    ledger, _ = await _filled(bench)
    await ledger.close()
    copy = bench.path.read_bytes()
    ledger = await bench.open()
    await ledger.append([Draft(typ="chart")], bench.at())
    later = bench.receipt(ledger.head_note)
    await ledger.close()
    bench.path.write_bytes(copy)
    restored = await bench.open()
    refused = await restored.take_receipt(later)
    assert isinstance(refused, ReceiptRefused)
    assert (refused.kind, refused.seen) == (Refusal.ROLLBACK, f"6 records of {ledger.origin}")
    assert (await restored.backlog()).waiting == 5
    await restored.close()


async def test_a_receipt_over_another_history_is_a_fork(bench: Any) -> None:
    """A good receipt over other records of the same unit and size is refused as a fork."""
    ledger, _ = await _filled(bench)
    foreign = Checkpoint(ledger.origin, 3, b"\7" * 32)
    text = note.assemble_note(foreign.text(), [head.head_line(foreign, bench.unit)])
    refused = await ledger.take_receipt(bench.receipt(text))
    assert isinstance(refused, ReceiptRefused)
    assert refused.kind is Refusal.FORK
    await ledger.close()


async def test_without_a_pharmacy_key_no_receipt_is_taken(bench: Any) -> None:
    """A unit that knows no pharmacy key refuses every receipt and says so."""
    ledger = await bench.open(witness=None)
    refused = await ledger.take_receipt(bench.receipt(ledger.head_note))
    assert isinstance(refused, ReceiptRefused)
    assert refused.kind is Refusal.KEY
    await ledger.close()
