"""Check a whole ledger from its raw records: every fact is derived again, nothing stored is believed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError, b64, b64url, show
from nebctl.core.ledger.envelope import read_entry
from nebctl.core.ledger.grammar import SessionGrammar
from nebctl.core.ledger.head import Checkpoint, Origin, kid, open_head, open_receipt
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Entry
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import Frontier, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in a ledger that is not as it must be.

    `seq` None means that no single record is at fault, `epoch` 0 that none is known.
    """

    unit: str
    epoch: int
    seq: int | None
    what: str
    seen: str
    expected: str

    def sentence(self) -> str:
        """Return the finding as one line for a person."""
        epoch = f" epoch {self.epoch}" if self.epoch else ""
        seq = "" if self.seq is None else f" seq {self.seq}"
        return f"unit {self.unit}{epoch}{seq}: {self.what}: saw {self.seen}, expected {self.expected}"


def check_record(text: str, disclosures: Sequence[str], unit: Vkey, verify: Verifier) -> Entry:
    """Return a record whose signature, place and members are right for the unit's key.

    The key's name is the origin, so it says which unit and epoch the record must name.
    Raises: `FormatError` naming the first thing that is wrong.
    """
    parsed = jws.parse(text)
    if parsed.kid != kid(unit):
        raise FormatError("kid", parsed.kid, f"{kid(unit)}, the key of {unit.name}")
    if not verify(unit.public, parsed.signing_input, parsed.signature):
        raise FormatError("signature", "a bad signature", f"a good one by {unit.name} key {kid(unit)}")
    entry = read_entry(parsed, text, disclosures)
    owner = Origin.parse(unit.name)
    for name, expected in (("unit", owner.unit), ("ep", owner.epoch), ("sim", owner.simulated)):
        if entry.payload[name] != expected:
            raise FormatError(f"member {name}", entry.payload[name], f"{expected}, as the key {unit.name} says")
    return entry


def check_chain(
    entries: Iterable[tuple[int, int, bytes, str]],
    head: str | None,
    receipts: Iterable[str],
    *,
    unit: Vkey,
    pharmacy: Vkey | None,
    verify: Verifier,
) -> Iterator[Finding]:
    """Yield what is wrong with one epoch of a ledger, in order; nothing means that all of it holds.

    `entries` are (epoch, seq, leaf, JWS text) in stored order and may be a stream; `head` is the newest signed head,
    None where there is none; `receipts` are countersigned heads. `pharmacy` None leaves countersignatures unchecked.
    After a record is found wrong, what may follow only from it (roots, sessions) is not reported again.
    Raises: `FormatError` where the unit key's name is not an origin.
    """
    chain = _Chain(unit, pharmacy, verify)
    yield from chain.take_receipts(receipts)
    for epoch, seq, leaf, text in entries:
        yield from chain.take(epoch, seq, leaf, text)
    yield from chain.close(head)


class _Chain:
    """The tree as it grows while the records are read."""

    def __init__(self, unit: Vkey, pharmacy: Vkey | None, verify: Verifier) -> None:
        self._unit = unit
        self._pharmacy = pharmacy
        self._verify = verify
        self._origin = Origin.parse(unit.name)
        self._tree = Frontier()
        self._root = self._tree.root()
        self._whole = True
        self._next = 0
        self._grammar = SessionGrammar()
        self._receipts: dict[int, set[bytes]] = {}

    def take_receipts(self, receipts: Iterable[str]) -> Iterator[Finding]:
        for note in receipts:
            try:
                checkpoint = self._open(note)
            except FormatError as error:
                yield self._finding(None, "receipt " + error.where, error.seen, error.expected)
            else:
                self._receipts.setdefault(checkpoint.size, set()).add(checkpoint.root)
        yield from self._compare_receipts()

    def take(self, epoch: int, seq: int, leaf: bytes, text: str) -> Iterator[Finding]:
        try:
            entry = self._check(epoch, seq, leaf, text)
        except FormatError as error:
            self._whole = False
            yield self._finding(seq, error.where, error.seen, error.expected)
        else:
            if self._whole:
                yield from self._check_grammar(entry)
        self._next = seq + 1
        self._tree = self._tree.append(leaf_hash(text.encode("utf-8", "surrogatepass")))
        self._root = self._tree.root()
        yield from self._compare_receipts()

    def close(self, head: str | None) -> Iterator[Finding]:
        count = self._tree.size
        for size in sorted(size for size in self._receipts if size > count):
            yield self._finding(None, "truncated", f"{count} records", f"{size}, as a receipt says")
        if head is None:
            if count:
                yield self._finding(None, "head", "none", f"a signed head of size {count}")
            return
        try:
            self._check_head(open_head(head, self._unit, self._verify))
        except FormatError as error:
            yield self._finding(None, error.where, error.seen, error.expected)

    def _open(self, note: str) -> Checkpoint:
        if self._pharmacy is None:
            return open_head(note, self._unit, self._verify)
        return open_receipt(note, self._unit, self._pharmacy, self._verify).checkpoint

    def _check(self, epoch: int, seq: int, leaf: bytes, text: str) -> Entry:
        if epoch != self._origin.epoch:
            raise FormatError("epoch", epoch, str(self._origin.epoch))
        if seq != self._next:
            raise FormatError("sequence", seq, str(self._next))
        entry = check_record(text, (), self._unit, self._verify)
        if entry.seq != seq:
            raise FormatError("member seq", entry.seq, f"{seq}, its place")
        if entry.leaf != leaf:
            raise FormatError("leaf", leaf.hex(), entry.leaf.hex())
        if self._whole and entry.payload["prev"] != b64url(self._root):
            raise FormatError("prev", entry.payload["prev"], f"{b64url(self._root)}, the root before it")
        return entry

    def _check_grammar(self, entry: Entry) -> Iterator[Finding]:
        try:
            self._grammar.take(entry)
        except FormatError as error:
            yield self._finding(entry.seq, error.where, error.seen, error.expected)

    def _compare_receipts(self) -> Iterator[Finding]:
        for root in sorted(self._receipts.get(self._tree.size, ())):
            if self._whole and root != self._root:
                seen = f"{b64(self._root)} at size {self._tree.size}"
                yield self._finding(None, "root", seen, f"{b64(root)}, as a receipt says")

    def _check_head(self, head: Checkpoint) -> None:
        if head.size != self._tree.size:
            raise FormatError("head size", f"{self._tree.size} records", f"{head.size}, as the head says")
        if self._whole and head.root != self._root:
            raise FormatError("head root", b64(self._root), f"{b64(head.root)}, as the head says")

    def _finding(self, seq: int | None, what: str, seen: str, expected: str) -> Finding:
        return Finding(
            unit=self._origin.unit,
            epoch=self._origin.epoch,
            seq=seq,
            what=what,
            seen=show(seen),
            expected=expected,
        )
