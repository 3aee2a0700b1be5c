"""Which key signs where in a unit's log: one key is trusted from outside, each next one is named by a `key` record.

A `key` record at place n is signed by the old key and names the new one, which proves possession of its private half.
The head over the first n + 1 records carries both keys' lines, the old one's first; from place n + 1 on only the new
key signs. A receipt always repeats one unit line: the newest key's at its size.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError, b64url, unb64url
from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.head import Checkpoint, Receipt, kid, open_head, open_receipt
from nebctl.core.ledger.note import ED25519, Vkey, parse_note
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.ledger.signing import Signer, Verifier

_POP_HEAD = "nebctl/key-pop/v1"


@dataclass(frozen=True, slots=True)
class Span:
    """A key and the place of the first record that it signs; it signs up to the next span's first."""

    vkey: Vkey
    first: int


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one unit's epoch in the order of their use, the trusted one first; never empty."""

    spans: tuple[Span, ...]

    @classmethod
    def of(cls, first: Vkey) -> "KeyRing":
        """Return the ring of a log whose first key is trusted and which holds no `key` record yet."""
        return cls((Span(first, 0),))

    @property
    def newest(self) -> Vkey:
        """Return the key that signs the next record."""
        return self.spans[-1].vkey

    def of_record(self, seq: int) -> Vkey:
        """Return the one key that may sign the record at this place."""
        for span in reversed(self.spans):
            if span.first <= seq:
                return span.vkey
        raise ValueError(f"record {seq}, expected a place from 0 on")

    def of_head(self, size: int) -> tuple[Vkey, ...]:
        """Return the keys that sign a head of this size, in the order of their lines.

        It is one; over the tree that ends with a `key` record they are two, the old and the new.
        """
        old, new = self.of_record(max(size - 1, 0)), self.of_record(size)
        return (old,) if old == new else (old, new)

    def take(self, entry: Entry, verify: Verifier) -> "KeyRing":
        """Return the ring after a record, whose own signature is checked elsewhere; only a `key` record changes it.

        Raises: `FormatError` where the new key is no signing key of this log, was used before, does not prove that its
        private half is held, or takes over at another place than the next.
        """
        if entry.payload["typ"] != "key" or "new_vkey" not in entry.payload:
            return self
        first = entry.payload.get("not_before_seq")
        if first != entry.seq + 1 or isinstance(first, bool):
            raise FormatError("member not_before_seq", first, f"{entry.seq + 1}, the next place")
        return KeyRing((*self.spans, Span(self._new_key(entry, verify), entry.seq + 1)))

    def _new_key(self, entry: Entry, verify: Verifier) -> Vkey:
        text, pop = entry.payload["new_vkey"], entry.payload.get("pop")
        if not isinstance(text, str) or not isinstance(pop, str):
            raise FormatError("key record", f"new_vkey {text!r}, pop {pop!r}", "a verifier line and a signature")
        vkey = Vkey.parse(text)
        if vkey.name != self.newest.name or vkey.type != ED25519:
            raise FormatError("member new_vkey", text, f"a signing key named {self.newest.name}")
        if any(span.vkey.public == vkey.public for span in self.spans):
            raise FormatError("member new_vkey", f"key {kid(vkey)} again", "a key that was never used in this log")
        if not verify(vkey.public, _pop_bytes(vkey), unb64url(pop, "member pop")):
            raise FormatError("member pop", "a bad signature", f"one by the new key {kid(vkey)}")
        return vkey


def rotation(seq: int, origin: str, new: Signer) -> Draft:
    """Return the `key` record that, at this place, hands the log over to a new key."""
    vkey = Vkey(origin, ED25519, new.public)
    pop = b64url(new.sign(_pop_bytes(vkey)))
    return Draft(typ="key", facts={"new_vkey": vkey.text(), "pop": pop, "not_before_seq": seq + 1})


def find_ring(first: Vkey, size: int, text_of: Callable[[int], str], verify: Verifier) -> KeyRing:
    """Return the ring of a log of `size` records by reading only as many as tell where the key changes.

    `text_of` returns the text of a record by its place. Each key's records lie together, so the last of them is found
    by halving; a log that was tampered with may give a shorter ring, and then its records fail the check by it.
    """
    ring, begin = KeyRing.of(first), 0
    while begin < size:
        begin = _run_end(begin, size, kid(ring.newest), text_of)
        grown = _take_text(ring, text_of(begin - 1), verify) if begin > ring.spans[-1].first else ring
        if grown == ring:
            return ring
        ring = grown
    return ring


def open_head_by(note: str, ring: KeyRing, verify: Verifier) -> Checkpoint:
    """Return the checkpoint of a head that every key signed which must at its size; other lines are left alone.

    Raises: `FormatError` as `head.open_head`.
    """
    checkpoint = Checkpoint.parse(parse_note(note).text)
    for vkey in ring.of_head(checkpoint.size):
        open_head(note, vkey, verify)
    return checkpoint


def open_receipt_by(note: str, ring: KeyRing, pharmacy: Vkey, verify: Verifier) -> Receipt:
    """Return what a countersigned head says: exactly the line of the unit's key at its size, then the pharmacy's.

    Raises: `FormatError` as `head.open_receipt`.
    """
    size = Checkpoint.parse(parse_note(note).text).size
    return open_receipt(note, ring.of_head(size)[-1], pharmacy, verify)


def _pop_bytes(vkey: Vkey) -> bytes:
    return f"{_POP_HEAD}\n{vkey.name}\n{vkey.text()}\n".encode()


def _run_end(begin: int, size: int, key: str, text_of: Callable[[int], str]) -> int:
    """Return the first place from `begin` on whose record is not by this key."""
    header = b64url(jws.header_bytes(key))
    low, high = begin, size
    while low < high:
        middle = (low + high) // 2
        if text_of(middle).partition(".")[0] == header:
            low = middle + 1
        else:
            high = middle
    return low


def _take_text(ring: KeyRing, text: str, verify: Verifier) -> KeyRing:
    try:
        return ring.take(parse_entry(text), verify)
    except FormatError:
        return ring
