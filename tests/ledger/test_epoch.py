"""A new epoch's permit, its first records, and a unit's own records on their way back to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.ledger import epoch, restore, tree
from nebctl.core.ledger.encoding import FormatError, b64, show
from nebctl.core.ledger.epoch import Permit
from nebctl.core.ledger.head import Origin
from nebctl.core.ledger.keyring import KeyRing, Span, rotation
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, parse_note, sign_note
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.tree import Frontier
from nebctl.keys import Ed25519Signer, verify

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
ORDERS = Vkey("sim.mexcovid.example/nebctl-pharmacy/orders", ED25519, SIGNER.public)
NAME = "sim.mexcovid.example/nebctl/neb-0001/2"
KEY = Vkey(NAME, ED25519, Ed25519Signer.from_seed(bytes(32)).public)
pytestmark = pytest.mark.req("S34")


def signed(text: str) -> str:
    """Return a note of the pharmacy's over a permit's text."""
    return sign_note(text, ORDERS.name, SIGNER)


def test_a_permit_has_one_form(book: Any) -> None:
    """It names the new key and the last countersigned head, or a stroke, and reads back as it was written."""
    note = Permit(vkey=KEY, last=None).note(ORDERS.name, SIGNER)
    assert parse_note(note).text == f"nebctl/epoch/v1\n{KEY.text()}\nafter -\n"
    assert Permit.open(note, ORDERS, verify) == Permit(vkey=KEY, last=None)
    assert Permit.open(note.encode(), ORDERS, verify).last_head() is None
    head = book.receipt()
    note = Permit(vkey=KEY, last=head).note(ORDERS.name, SIGNER)
    assert parse_note(note).text == f"nebctl/epoch/v1\n{KEY.text()}\nafter {b64(head.encode())}\n"
    permit = Permit.open(note, ORDERS, verify)
    assert permit == Permit(vkey=KEY, last=head)
    assert permit.last_head() == book.checkpoint()
    assert permit.origin == Origin.parse(NAME)


def test_a_permit_whose_head_is_no_text_has_none_to_go_on_from() -> None:
    """Bytes that are no text are read as signs that stand for them, and then refused where a head is asked for."""
    permit = Permit.open(signed(f"nebctl/epoch/v1\n{KEY.text()}\nafter {b64(bytes([255]))}\n"), ORDERS, verify)
    assert permit.last == "\ufffd"
    with pytest.raises(FormatError, match="note: saw"):
        permit.last_head()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"nebctl/epoch/v2\n{KEY.text()}\nafter -\n", None),
        (f"nebctl/epoch/v1\n{KEY.text()}\nafter -\nmore\n", None),
        (f"nebctl/epoch/v1\n{KEY.text()}\nafter -\n\n", None),
        (f"nebctl/epoch/v1\n{KEY.text()}\nbefore -\n", None),
        (f"nebctl/epoch/v1\n{KEY.text()}\n", None),
        ("nebctl/epoch/v1\nx\nafter -\n", "verifier key: saw x, expected name+key ID+base64"),
        (f"nebctl/epoch/v1\n{KEY.text()}\nafter x\n", "permit head: saw x, expected padded base64"),
        (
            f"nebctl/epoch/v1\n{Vkey(NAME, COSIGNATURE, KEY.public).text()}\nafter -\n",
            f"permit key: saw {NAME}, expected a signing key of epoch 2 or later",
        ),
        (
            f"nebctl/epoch/v1\n{replace(KEY, name=NAME[:-1] + '1').text()}\nafter -\n",
            f"permit key: saw {NAME[:-1]}1, expected a signing key of epoch 2 or later",
        ),
    ],
)
def test_what_is_no_permit_is_said(text: str, sentence: str | None) -> None:
    """Another form, a key of epoch 1 or of another kind, and a head that is none are refused, whoever signed them."""
    with pytest.raises(FormatError) as error:
        Permit.open(signed(text), ORDERS, verify)
    expected = "nebctl/epoch/v1, a verifier line, after a head"
    assert str(error.value) == (sentence or f"permit: saw {show(text)}, expected {expected}")


def test_a_permit_by_another_key_is_none() -> None:
    """Only the pharmacy's orders key permits an epoch."""
    other = Ed25519Signer.from_seed(bytes(31) + b"\x01")
    note = Permit(vkey=KEY, last=None).note(ORDERS.name, other)
    with pytest.raises(FormatError) as error:
        Permit.open(note, ORDERS, verify)
    assert str(error.value) == f"permit signature: saw no good signature, expected one by {ORDERS.name}"


def test_a_new_epoch_begins_with_what_binds_it_to_the_last(book: Any) -> None:
    """Its genesis has the key, the fork and the head before, where there was one; what is left over follows it."""
    draft = epoch.genesis(Permit(vkey=KEY, last=None), "sim.mexcovid.example", 4, 3)
    facts = {"site": "sim.mexcovid.example", "vkey": KEY.text(), "fork_at": 4, "divergent": 3}
    assert draft == Draft(typ="genesis", facts=facts)
    head = book.receipt()
    draft = epoch.genesis(Permit(vkey=KEY, last=head), "sim.mexcovid.example", 4, 3)
    assert draft == Draft(typ="genesis", facts={**facts, "prev_checkpoint": head})
    entry = book.entries[4]
    facts = {"kind": "divergent", "of_ep": 1, "size": 4, "jws": entry.jws}
    left = Draft(typ="incident", facts=facts, private={"disclosures": list(entry.disclosures)})
    assert epoch.divergent(1, entry) == left


def test_a_restored_record_has_one_form() -> None:
    """A record and its disclosures come back as they went out, also without any."""
    assert restore.format_restored("a.b.c", ("d", "e")) == "nebctl/restore/v1\na.b.c~d~e~\n"
    assert restore.parse_restored("nebctl/restore/v1\na.b.c~d~e~\n") == ("a.b.c", ("d", "e"))
    assert restore.parse_restored(restore.format_restored("a.b.c", ())) == ("a.b.c", ())


@pytest.mark.parametrize(
    "text",
    [
        "nebctl/restore/v2\na~\n",
        "nebctl/restore/v1\na\n",
        "nebctl/restore/v1\na~\nmore",
        "nebctl/restore/v1\na~\n\n",
        "nebctl/restore/v1\na~",
        f"{'x' * 59}\ny",
        "x" * 70,
    ],
)
def test_what_is_no_restored_record_is_said(text: str) -> None:
    """Another first line, a missing mark at the end and a line too many are refused with what was seen."""
    with pytest.raises(FormatError) as error:
        restore.parse_restored(text)
    expected = "nebctl/restore/v1, then record~disclosures~"
    assert str(error.value) == f"restored record: saw {show(text[:60])}, expected {expected}"


def restored(book: Any, places: range, begin: int, **given: Any) -> Any:
    """Check the records of these places as continuing the first `begin`."""
    grown = Frontier().extend(tuple(book.leaves[:begin]))
    lost = [(each.jws, tuple(reversed(each.disclosures))) for each in book.entries[places.start : places.stop]]
    records = given.get("records", lost)
    ring = given.get("ring", KeyRing.of(book.vkey))
    return restore.check_restored(records, grown, given.get("kept", book.checkpoint()), ring, verify)


def test_records_come_back_exactly_as_they_were(book: Any) -> None:
    """From any place to the end they are believed, with their private facts; none at all where none was lost."""
    for begin in (0, 3, 12, 13):
        entries, ring = restored(book, range(begin, 13), begin)
        assert ring == KeyRing.of(book.vkey)
        assert [(each.seq, each.jws, each.leaf) for each in entries] == [
            (each.seq, each.jws, each.leaf) for each in book.entries[begin:]
        ]
    assert restored(book, range(4, 13), 4)[0][0].disclosures == tuple(sorted(book.entries[4].disclosures))


def refused(book: Any, *given: Any, **more: Any) -> str:
    """Return why records are not believed."""
    with pytest.raises(FormatError) as error:
        restored(book, *given, **more)
    return str(error.value)


def test_records_that_do_not_continue_the_log_are_refused(book: Any, new_book: Callable[..., Any]) -> None:
    """A gap, another history, a missing end and another unit's record are each refused by their place."""
    another = "saw another history, expected one that continues"
    assert refused(book, range(5, 13), 4) == f"restored record 5: {another} 4"
    assert refused(book, range(3, 13), 4) == f"restored record 3: {another} 4"
    assert refused(book, range(4, 12), 4) == (
        "restored records: saw another tree of 12, expected that of 13 which is kept"
    )
    kept = book.checkpoint()._replace(root=tree.EMPTY_ROOT)
    assert refused(book, range(4, 13), 4, kept=kept) == (
        "restored records: saw another tree of 13, expected that of 13 which is kept"
    )
    fork = new_book()
    for number in range(4):
        fork.add(Draft(typ="clock", facts={"n": number}))
    records = [(each.jws, each.disclosures) for each in book.entries[4:]]
    assert refused(fork, range(0), 4, records=records) == f"restored record 4: {another} 4"
    assert refused(new_book(unit="neb-0002"), range(0), 0, records=records).startswith("kid: saw ")


def test_a_handover_among_lost_records_is_followed(book: Any) -> None:
    """After a `key` record that came back only the key that it names signs."""
    first, old = book.vkey, book.signer
    book.add(rotation(13, first.name, SIGNER))
    book.signer, book.vkey = SIGNER, Vkey(first.name, ED25519, SIGNER.public)
    book.add(Draft(typ="clock"))
    entries, ring = restored(book, range(10, 15), 10, ring=KeyRing.of(first))
    assert [entry.seq for entry in entries] == [10, 11, 12, 13, 14]
    assert ring == KeyRing((Span(first, 0), Span(book.vkey, 14)))
    book.signer, book.vkey = old, first
    book.add(Draft(typ="clock"))
    assert refused(book, range(13, 16), 13, ring=KeyRing.of(first)).startswith("kid: saw ")


def test_a_handover_without_the_new_keys_word_is_refused(book: Any) -> None:
    """A `key` record that came back whose new key did not sign for itself hands nothing over."""
    draft = rotation(13, book.vkey.name, SIGNER)
    book.add(draft, pop=rotation(13, NAME, SIGNER).facts["pop"])
    assert refused(book, range(13, 14), 13).startswith("member pop: saw a bad signature")
