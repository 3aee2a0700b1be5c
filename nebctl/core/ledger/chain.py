"""Check a whole epoch of a ledger from its raw records: every fact is derived again, nothing stored is believed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError, b64, show
from nebctl.core.ledger.grammar import SessionGrammar
from nebctl.core.ledger.head import Checkpoint, Origin
from nebctl.core.ledger.keyring import KeyRing, open_head_by, open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.rows import Row, Stretch, cut
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.stretch import Authority, Checked, check_stretch
from nebctl.core.ledger.tree import EMPTY_ROOT, Frontier

STRETCH = 512
"""Rows a stretch: a tenth of a second's work, so that cores are kept busy and progress is seen."""


def check_chain(
    rows: Iterable[Row],
    head: str | None,
    receipts: Iterable[str],
    *,
    ring: KeyRing,
    pharmacy: Vkey | None,
    verify: Verifier,
) -> Iterator[Finding]:
    """Yield what is wrong with one epoch of a ledger, in order; nothing means that all of it holds.

    `rows` are in stored order and may be a stream; `head` is the newest signed head, None where there is none;
    `receipts` are countersigned heads. `pharmacy` None leaves countersignatures unchecked.
    Raises: `FormatError` where the key's name is not an origin.
    """
    by = Authority(ring=ring, verify=verify)
    chain = Chain(by, pharmacy)
    yield from chain.take_receipts(receipts)
    for stretch in chain.stretches(rows, most=1):
        yield from chain.take(check_stretch(stretch, by))
    yield from chain.close(head)


class Chain:
    """One epoch, checked stretch by stretch.

    After a record is found wrong, what may follow only from it (roots, sessions) is not reported again. `tree` is the
    tree over all rows that were read, `next_seq` the place after the last of them.
    """

    def __init__(self, by: Authority, pharmacy: Vkey | None) -> None:
        self._by = by
        self._pharmacy = pharmacy
        self._origin = Origin.parse(by.ring.newest.name)
        self._roots: defaultdict[int, tuple[bytes, ...]] = defaultdict(tuple)
        self._grammar = SessionGrammar()
        self._whole = True
        self.tree = Frontier()
        self.next_seq = 0
        self.disclosures = 0
        self.waiting = 0

    def take_receipts(self, receipts: Iterable[str]) -> Iterator[Finding]:
        """Take countersigned heads, all of them before the first row, and yield what is wrong with each by itself."""
        for note in receipts:
            try:
                checkpoint = self._open(note)
            except FormatError as error:
                yield self._finding(FormatError("receipt " + error.where, error.seen, error.expected))
            else:
                self._roots[checkpoint.size] += (checkpoint.root,)
        for root in self._roots.get(0, ()):
            if root != EMPTY_ROOT:
                yield self._finding(
                    FormatError("root", f"{b64(EMPTY_ROOT)} at size 0", f"{b64(root)}, as a receipt says")
                )

    def stretches(self, rows: Iterable[Row], *, receipted: int | None = None, most: int = STRETCH) -> Iterator[Stretch]:
        """Yield the rows as stretches, for `check_stretch` to be called for each of them.

        `receipted` is how many records need no longer wait in an outbox; None means that there is none.
        """
        return cut(rows, self._roots, receipted, most)

    def take(self, checked: Checked) -> Iterator[Finding]:
        """Take the check of the next stretch and yield what is wrong by it."""
        yield from (finding for finding, follows in checked.remarks if self._whole or not follows)
        for event in checked.events if self._whole else ():
            try:
                self._grammar.take_event(event)
            except FormatError as error:
                yield self._finding(error, event.seq)
        self._whole &= checked.whole
        self.tree, self.next_seq = checked.after, checked.next_seq
        self.disclosures += checked.disclosures
        self.waiting += checked.waiting

    def close(self, head: str | None) -> Iterator[Finding]:
        """Yield what the newest signed head, None for none, and receipts say of records that are not there."""
        count = self.tree.size
        for size in sorted(size for size in self._roots if size > count):
            yield self._finding(FormatError("truncated", f"{count} records", f"{size}, as a receipt says"))
        try:
            self._check_head(head)
        except FormatError as error:
            yield self._finding(error)

    def _open(self, note: str) -> Checkpoint:
        if self._pharmacy is None:
            return open_head_by(note, self._by.ring, self._by.verify)
        return open_receipt_by(note, self._by.ring, self._pharmacy, self._by.verify).checkpoint

    def _check_head(self, note: str | None) -> None:
        size = self.tree.size
        if note is None:
            if size:
                raise FormatError("head", "none", f"a signed head of size {size}")
            return
        head = open_head_by(note, self._by.ring, self._by.verify)
        if head.size != size:
            raise FormatError("head size", f"{size} records", f"{head.size}, as the head says")
        if self._whole and head.root != self.tree.root():
            raise FormatError("head root", b64(self.tree.root()), f"{b64(head.root)}, as the head says")

    def _finding(self, error: FormatError, seq: int | None = None) -> Finding:
        return Finding(
            unit=self._origin.unit,
            epoch=self._origin.epoch,
            seq=seq,
            what=error.where,
            seen=show(error.seen),
            expected=error.expected,
        )
