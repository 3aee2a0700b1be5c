"""A stretch of a log checked by itself: given the tree before it, nothing else of the log is needed.

So stretches can be checked at the same time, by as many processes as there are cores, and put together in order.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from nebctl.core.ledger.check import Finding, check_text
from nebctl.core.ledger.encoding import FormatError, b64, b64url, unb64url
from nebctl.core.ledger.grammar import READS, SessionEvent, check_volumes, read_event
from nebctl.core.ledger.head import Checkpoint, Origin, verify_head_line
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.shown import check_shown
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import Frontier, leaf_hash


class Row(NamedTuple):
    """One record as a store keeps it, and what stands beside it.

    `disclosures` None means that they are not looked at, and may hold anything that a damaged store does; `waiting` is
    the head's signature line of a record in the outbox, None where it is not in it.
    """

    epoch: int
    seq: int
    leaf: bytes
    text: str
    disclosures: tuple[object, ...] | None = None
    waiting: str | None = None


class TraceClaim(NamedTuple):
    """What a `dose` record says of its session's trace: its SHA-256 in hex."""

    seq: int
    session: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that follow one another, and what the check must know of the log before them.

    `leaves` are the hashes of the rows' texts, `before` the tree before the first row, `next_seq` the place that it is
    to have; `roots` are those that receipts name for sizes inside the stretch. `receipted` is how many records need no
    longer wait in the outbox; None means that this kind of store has no outbox.
    """

    rows: tuple[Row, ...]
    leaves: tuple[bytes, ...]
    before: Frontier
    next_seq: int
    roots: Mapping[int, tuple[bytes, ...]]
    receipted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """By what a log is checked: the keys that signed it, and the signature check."""

    ring: KeyRing
    verify: Verifier


class Remark(NamedTuple):
    """A finding; `follows` says that it may be nothing but the consequence of an earlier wrong record."""

    finding: Finding
    follows: bool


@dataclass(slots=True, kw_only=True)
class Checked:
    """What a stretch's check found, and the tree and the next place after it.

    `events` are what the grammar of sessions reads, up to the first wrong record; `whole` says that none is wrong.
    `traces` are those that good `dose` records name. `disclosures` and `waiting` count what stood beside.
    """

    records: int
    after: Frontier
    next_seq: int
    remarks: list[Remark] = field(default_factory=list)
    events: list[SessionEvent] = field(default_factory=list)
    traces: list[TraceClaim] = field(default_factory=list)
    whole: bool = True
    disclosures: int = 0
    waiting: int = 0


def cut(
    rows: Iterable[Row], roots: Mapping[int, tuple[bytes, ...]], receipted: int | None, most: int
) -> Iterator[Stretch]:
    """Yield a log's rows as stretches of `most` rows, growing the tree between them by the records' own hashes."""
    before, next_seq, stream = Frontier(), 0, iter(rows)
    while taken := tuple(islice(stream, most)):
        leaves = tuple(leaf_hash(row.text.encode("utf-8", "surrogatepass")) for row in taken)
        after = before.extend(leaves)
        within = {size: roots[size] for size in range(before.size + 1, after.size + 1) if size in roots}
        yield Stretch(rows=taken, leaves=leaves, before=before, next_seq=next_seq, roots=within, receipted=receipted)
        before, next_seq = after, taken[-1].seq + 1


def check_stretch(stretch: Stretch, by: Authority) -> Checked:
    """Return what is wrong in a stretch, as if all before it were right."""
    walk = _Walk(stretch, replace(by, verify=_verify_first(stretch, by)))
    for row, leaf, root in zip(stretch.rows, stretch.leaves, stretch.before.roots(stretch.leaves), strict=True):
        walk.take(row, leaf, root)
    return walk.checked


def _verify_first(stretch: Stretch, by: Authority) -> Verifier:
    """Check the records' signatures one right after the other, and return what remembers the good ones.

    Between other work each check takes a tenth longer, for what a processor keeps at hand is then the other work's.
    """
    good: set[tuple[bytes, bytes, bytes]] = set()
    for row in stretch.rows:
        message, _, signature = row.text.rpartition(".")
        with contextlib.suppress(FormatError, UnicodeEncodeError):
            each = by.ring.of_record(max(row.seq, 0)).public, message.encode("ascii"), unb64url(signature)
            if by.verify(*each):
                good.add(each)
    return lambda public, message, signature: (
        (public, message, signature) in good or by.verify(public, message, signature)
    )


class _Walk:
    """The tree as it grows from row to row."""

    def __init__(self, stretch: Stretch, by: Authority) -> None:
        self._stretch = stretch
        self._by = by
        self._origin = Origin.parse(by.ring.newest.name)
        self._size = stretch.before.size
        self._root = stretch.before.root()
        self._next = stretch.next_seq
        self.checked = Checked(
            records=len(stretch.rows),
            after=stretch.before.extend(stretch.leaves),
            next_seq=stretch.rows[-1].seq + 1,
        )

    def take(self, row: Row, leaf: bytes, root: bytes) -> None:
        """Check a row; `leaf` is its text's hash, `root` the tree's root after it."""
        payload = self._take_record(row, leaf)
        self._next = row.seq + 1
        self._size += 1
        self._root = root
        if self._size in self._stretch.roots:
            self._compare_receipts(row.seq)
        self._take_beside(row, payload)

    def _take_record(self, row: Row, leaf: bytes) -> Mapping[str, Json] | None:
        """Return the members of the record where its text and signature are good, wherever it stands."""
        payload = None
        try:
            self._check_order(row)
            payload = check_text(row.text, self._by.ring.of_record(row.seq), self._by.verify).payload
            self._check_place(row, leaf, payload)
        except FormatError as error:
            self._remark(row.seq, error, follows=error.where == "prev")
            self.checked.whole = False
        else:
            if payload["typ"] in READS:
                self._take_session(row.seq, payload)
        return payload

    def _take_session(self, seq: int, payload: Mapping[str, Json]) -> None:
        try:
            event = read_event(seq, payload)
            if event is not None and self.checked.whole:
                self.checked.events.append(event)
            if payload["typ"] == "dose":
                check_volumes(payload)
        except FormatError as error:
            self._remark(seq, error)

    def _check_order(self, row: Row) -> None:
        if row.epoch != self._origin.epoch:
            raise FormatError("epoch", row.epoch, str(self._origin.epoch))
        if row.seq != self._next:
            raise FormatError("sequence", row.seq, str(self._next))

    def _check_place(self, row: Row, leaf: bytes, payload: Mapping[str, Json]) -> None:
        if payload["seq"] != row.seq:
            raise FormatError("member seq", payload["seq"], f"{row.seq}, its place")
        if leaf != row.leaf:
            raise FormatError("leaf", row.leaf.hex(), leaf.hex())
        if self.checked.whole and payload["prev"] != b64url(self._root):
            raise FormatError("prev", payload["prev"], f"{b64url(self._root)}, the root before it")

    def _compare_receipts(self, seq: int) -> None:
        for receipted in self._stretch.roots[self._size]:
            if self.checked.whole and receipted != self._root:
                seen = f"{b64(self._root)} at size {self._size}"
                self._remark(seq, FormatError("root", seen, f"{b64(receipted)}, as a receipt says"), follows=True)

    def _take_beside(self, row: Row, payload: Mapping[str, Json] | None) -> None:
        self.checked.waiting += row.waiting is not None
        self.checked.disclosures += len(row.disclosures or ())
        if payload is None:
            return
        if payload["typ"] == "dose" and isinstance(promised := payload.get("trace"), str):
            self.checked.traces.append(TraceClaim(row.seq, str(payload.get("session")), promised))
        try:
            if row.disclosures is not None:
                check_shown(payload, row.disclosures)
        except FormatError as error:
            self._remark(row.seq, error)
        try:
            if self._stretch.receipted is not None:
                self._check_outbox(row, self._stretch.receipted)
        except FormatError as error:
            self._remark(row.seq, error, follows=error.where == "outbox head line")

    def _check_outbox(self, row: Row, receipted: int) -> None:
        if row.waiting is None:
            if row.seq >= receipted:
                raise FormatError("outbox", "nothing waiting", f"the record, receipted are only {receipted}")
            return
        if row.seq < receipted:
            raise FormatError("outbox", "a record that waits", f"nothing, {receipted} records are receipted")
        # The lines go out as they are stored, so their newlines count too.
        keys, lines = self._by.ring.of_head(self._size), row.waiting.splitlines(keepends=True)
        checkpoint = Checkpoint(keys[0].name, self._size, self._root)
        good = len(lines) == len(keys) and row.waiting.endswith("\n")
        if not good or not all(
            verify_head_line(checkpoint, line, key, self._by.verify) for key, line in zip(keys, lines, strict=True)
        ):
            raise FormatError("outbox head line", row.waiting, f"the signature of {keys[0].name} at this size")

    def _remark(self, seq: int, error: FormatError, *, follows: bool = False) -> None:
        origin = self._origin
        finding = Finding(
            unit=origin.unit,
            epoch=origin.epoch,
            seq=max(seq, 0),
            what=error.where,
            seen=error.seen,
            expected=error.expected,
        )
        self.checked.remarks.append(Remark(finding, follows))
