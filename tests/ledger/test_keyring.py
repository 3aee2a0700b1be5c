"""Which key is valid where: a rotation is a record, and nobody but the two keys together can make one."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.ledger import head, jws, tree
from nebctl.core.ledger.chain import Chain
from nebctl.core.ledger.encoding import FormatError, b64url, show
from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.head import kid
from nebctl.core.ledger.keyring import KeyRing, find_ring, open_head_by, open_receipt_by, rotation
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, assemble_note
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.rows import Row
from nebctl.core.ledger.stretch import Authority, check_stretch
from nebctl.keys import Ed25519Signer, verify


def key(number: int) -> Ed25519Signer:
    """Return a key that is the same in every run."""
    return Ed25519Signer.from_seed(hashlib.sha256(b"rotated %d" % number).digest())


def rotate(book: Any, number: int) -> None:
    """Hand the book over to another key, as a unit does."""
    new = key(number)
    book.add(rotation(len(book.entries), book.vkey.name, new))
    book.signer, book.vkey = new, Vkey(book.vkey.name, ED25519, new.public)


def ring_of(book: Any, first: Vkey) -> KeyRing:
    """Return the ring by reading every record."""
    ring = KeyRing.of(first)
    for entry in book.entries:
        ring = ring.take(entry, verify)
    return ring


def test_a_log_without_a_rotation_has_one_key(book: Any) -> None:
    """Before any `key` record the trusted key signs every record and every head."""
    ring = ring_of(book, book.vkey)
    assert ring == KeyRing.of(book.vkey)
    assert {ring.of_record(seq) for seq in range(14)} == {book.vkey}
    assert {ring.of_head(size) for size in range(14)} == {(book.vkey,)}


def test_from_the_next_record_on_only_the_new_key_signs(new_book: Callable[[], Any]) -> None:
    """The `key` record is the old key's last one; the head over it is by both, every later one by the new key."""
    book = new_book()
    old = book.vkey
    book.add(Draft(typ="genesis"))
    rotate(book, 1)
    ring = ring_of(book, old)
    assert ring.newest == book.vkey
    assert [ring.of_record(seq) for seq in range(4)] == [old, old, book.vkey, book.vkey]
    assert [ring.of_head(size) for size in range(4)] == [(old,), (old,), (old, book.vkey), (book.vkey,)]


def test_the_head_over_a_rotation_needs_both_lines(new_book: Callable[[], Any]) -> None:
    """One of the two lines alone is refused, whichever it is; the receipt at that size has the new key's line."""
    book = new_book()
    old, first = book.signer, book.vkey
    book.add(Draft(typ="genesis"))
    rotate(book, 1)
    ring, checkpoint = ring_of(book, first), book.checkpoint()
    lines = [head.head_line(checkpoint, signer) for signer in (old, book.signer)]
    assert open_head_by(assemble_note(checkpoint.text(), lines), ring, verify) == checkpoint
    for line in lines:
        with pytest.raises(FormatError, match="no good signature"):
            open_head_by(assemble_note(checkpoint.text(), [line]), ring, verify)
    assert open_receipt_by(book.receipt(), ring, book.pharmacy, verify).checkpoint == checkpoint
    with pytest.raises(FormatError):
        open_receipt_by(book.receipt(), KeyRing.of(first), book.pharmacy, verify)


def forge(book: Any, **changed: Any) -> Any:
    """Return a `key` record in which some members are other ones."""
    facts = {**rotation(len(book.entries), book.vkey.name, key(1)).facts, **changed}
    return book.add(Draft(typ="key", facts=facts))


NAME = "sim.mexcovid.example/nebctl/neb-0001/1"
OTHER = Vkey("sim.other.example/nebctl/neb-0001/1", ED25519, key(1).public).text()
WITNESS = Vkey(NAME, COSIGNATURE, key(1).public).text()
FORGED = Vkey(NAME, ED25519, key(1).public)
UNPROVEN = Vkey(NAME, ED25519, key(2).public)
NEXT, PAIR = "1, the next place", "expected a verifier line and a signature"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"not_before_seq": 0}, f"member not_before_seq: saw 0, expected {NEXT}"),
        ({"not_before_seq": 2}, f"member not_before_seq: saw 2, expected {NEXT}"),
        ({"not_before_seq": True}, f"member not_before_seq: saw True, expected {NEXT}"),
        ({"not_before_seq": None}, f"member not_before_seq: saw None, expected {NEXT}"),
        ({"pop": b64url(bytes(64))}, f"member pop: saw a bad signature, expected one by the new key {kid(FORGED)}"),
        ({"pop": "!"}, "member pop: saw !, expected unpadded base64url"),
        ({"pop": 7}, f"key record: saw {show(f'new_vkey {FORGED.text()!r}, pop 7')}, {PAIR}"),
        ({"new_vkey": 7}, "key record: saw new_vkey 7, pop '"),
        ({"new_vkey": 7, "pop": 7}, f"key record: saw new_vkey 7, pop 7, {PAIR}"),
        ({"new_vkey": "x"}, "verifier key: saw x, expected name+key ID+base64"),
        ({"new_vkey": OTHER}, f"member new_vkey: saw {show(OTHER)}, expected a signing key named {NAME}"),
        ({"new_vkey": WITNESS}, f"member new_vkey: saw {show(WITNESS)}, expected a signing key named {NAME}"),
        (
            {"new_vkey": UNPROVEN.text()},
            f"member pop: saw a bad signature, expected one by the new key {kid(UNPROVEN)}",
        ),
    ],
)
def test_a_faulty_rotation_is_refused(new_book: Callable[[], Any], changed: dict[str, Any], sentence: str) -> None:
    """A wrong place, a key of another name or kind, and a proof that the new key did not sign change no ring."""
    book = new_book()
    with pytest.raises(FormatError) as error:
        KeyRing.of(book.vkey).take(forge(book, **changed), verify)
    assert sentence in str(error.value)


def test_an_old_key_never_comes_back(new_book: Callable[[], Any]) -> None:
    """A rotation to a key that signed before is refused: it may be the one that was stolen."""
    book = new_book()
    first = book.vkey
    rotate(book, 1)
    rotate(book, 2)
    ring = ring_of(book, first)
    with pytest.raises(FormatError) as error:
        ring.take(forge(book), verify)
    never = "a key that was never used in this log"
    assert str(error.value) == f"member new_vkey: saw key {kid(FORGED)} again, expected {never}"


def test_the_pharmacys_key_records_are_no_rotations(new_book: Callable[[], Any]) -> None:
    """The pharmacy's own log names units' keys in `key` records; they do not change by which key it is checked."""
    book = new_book()
    entry = book.add(Draft(typ="key", facts={"for_unit": "neb-0001", "vkey": book.vkey.text()}))
    assert KeyRing.of(book.vkey).take(entry, verify) == KeyRing.of(book.vkey)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.integers(0, 6), max_size=6))
def test_the_ring_is_found_without_reading_every_record(runs: list[int]) -> None:
    """Halving finds the same ring as reading everything, wherever rotations stand, also one after the other."""
    texts, first = log_of(runs)
    whole = KeyRing.of(first)
    for text in texts:
        whole = whole.take(parse_entry(text), verify)
    assert find_ring(first, len(texts), texts.__getitem__, verify) == whole
    assert len(whole.spans) == 1 + len(runs)


def log_of(runs: list[int]) -> tuple[list[str], Vkey]:
    """Return records of a log with a rotation after each run, and its first key."""
    origin, signer, texts = "sim.mexcovid.example/nebctl/neb-0001/1", key(0), []
    members = {"v": 1, "unit": "neb-0001", "ep": 1, "boot": "b", "mono_ns": 0, "utc": "2026-11-22T11:11:40.123Z"}
    members |= {"clk": {"src": "sim", "sync": True}, "sw": "x", "cfg": "0" * 64, "sim": True, "_sd_alg": "sha-256"}
    members |= {"prev": b64url(tree.EMPTY_ROOT), "salt": b64url(bytes(16)), "_sd": []}
    for number, run in enumerate(runs, 1):
        vkey = Vkey(origin, ED25519, signer.public)
        drafts = [Draft(typ="clock")] * run + [rotation(len(texts) + run, origin, key(number))]
        for draft in drafts:
            payload = {**members, "typ": draft.typ, "seq": len(texts), **draft.facts}
            texts.append(jws.sign(payload, signer, head.kid(vkey)))
        signer = key(number)
    return texts, Vkey(origin, ED25519, key(0).public)


def test_few_records_are_read(new_book: Callable[[], Any]) -> None:
    """In a log of a thousand records with one rotation, some twenty are read."""
    texts, first = log_of([600, 399])
    read: list[int] = []

    def text_of(seq: int) -> str:
        read.append(seq)
        return texts[seq]

    assert [span.first for span in find_ring(first, 1001, text_of, verify).spans] == [0, 601, 1001]
    assert len(read) < 40


def test_a_log_by_another_key_leaves_the_ring_as_it_is() -> None:
    """Where no record is by the key that is due, the ring ends there, and no place outside the log is read."""
    texts, _ = log_of([3])
    other = Vkey(NAME, ED25519, key(7).public)

    def text_of(seq: int) -> str:
        assert 0 <= seq < len(texts)
        return texts[seq]

    assert find_ring(other, len(texts), text_of, verify) == KeyRing.of(other)
    assert find_ring(other, 0, text_of, verify) == KeyRing.of(other)


def test_the_first_record_may_hand_the_log_over(new_book: Callable[[], Any]) -> None:
    """It is signed by the old key and the head over it by both; before the log there is no place."""
    book = new_book()
    old = book.vkey
    entry = book.add(rotation(0, old.name, key(1)))
    ring = KeyRing.of(old).take(entry, verify)
    assert (ring.of_head(0), ring.of_head(1), ring.of_head(2)) == ((old,), (old, ring.newest), (ring.newest,))
    by = Authority(ring=ring, verify=verify)
    (stretch,) = Chain(by, book.pharmacy).stretches([Row(*row) for row in book.rows])
    assert check_stretch(stretch, by).remarks == []
    with pytest.raises(ValueError, match=r"^record -1, expected a place from 0 on$"):
        ring.of_record(-1)
