"""Every bit of a small ledger: of each record, leaf, head and receipt, flipped alone, each is found at its place."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.ledger.chain import Chain
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.rows import Row
from nebctl.core.ledger.stretch import Authority, check_stretch
from nebctl.keys import verify


@pytest.fixture
def small(new_book: Any) -> Any:
    """A ledger of three records: genesis, a start, its dose."""
    book = new_book()
    book.add(Draft(typ="genesis", facts={"vkey": book.vkey.text()}))
    book.give("2026-11-22-7f3a9c")
    return book


def flips(text: str) -> Iterator[str]:
    """Yield a text with each bit of its UTF-8 flipped, read as a store reads bytes that are no UTF-8."""
    data = text.encode()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield flipped.decode("utf-8", "surrogateescape")


def authority(book: Any) -> Authority:
    """Return by what the book is checked."""
    return Authority(ring=KeyRing.of(book.vkey), verify=verify)


@pytest.mark.req("S34")
@pytest.mark.parametrize("seq", range(3))
def test_every_bit_of_every_record_and_leaf(small: Any, seq: int) -> None:
    """A record whose text or leaf hash differs by one bit is the finding, wherever the bit is."""
    by = authority(small)
    rows = [Row(*row) for row in small.rows]
    (stretch,) = [each for each in Chain(by, None).stretches(rows, most=1) if each.rows[0].seq == seq]
    (row,) = stretch.rows
    assert check_stretch(stretch, by).whole
    changed = [row._replace(text=text) for text in flips(row.text)]
    for bit in range(256):
        leaf = (int.from_bytes(row.leaf, "big") ^ 1 << bit).to_bytes(32, "big")
        changed.append(row._replace(leaf=leaf))
    for each in changed:
        (harmed,) = Chain(by, None).stretches([each], most=1)
        checked = check_stretch(replace(stretch, rows=harmed.rows, leaves=harmed.leaves), by)
        assert not checked.whole, each
        assert checked.remarks[0].finding.seq == seq


@pytest.mark.req("S34")
def test_every_bit_of_the_head_and_the_receipt(small: Any) -> None:
    """A head or a receipt that differs by one bit is a finding, wherever the bit is."""
    by = authority(small)
    chain = Chain(by, small.pharmacy)
    assert not [*chain.take_receipts([small.receipt()])]
    for stretch in chain.stretches([Row(*row) for row in small.rows]):
        assert not [*chain.take(check_stretch(stretch, by))]
    assert not [*chain.close(small.head())]
    for text in flips(small.head()):
        assert [*chain.close(text)], text
    for text in flips(small.receipt()):
        assert [*Chain(by, small.pharmacy).take_receipts([text])], text


@pytest.mark.req("S34")
def test_every_bit_of_a_private_fact(small: Any) -> None:
    """A disclosure that differs by one bit is not what the record promises."""
    by = authority(small)
    entry = small.entries[2]
    before = next(s for s in Chain(by, None).stretches([Row(*row) for row in small.rows], most=1) if s.next_seq == 2)
    for at, shown in enumerate(entry.disclosures):
        for text in flips(shown):
            disclosures = (*entry.disclosures[:at], text, *entry.disclosures[at + 1 :])
            row = before.rows[0]._replace(disclosures=disclosures)
            assert check_stretch(replace(before, rows=(row,)), by).remarks, text
