"""A stretch of a log checked by itself: given the tree before it, nothing else of the log is needed.

So stretches can be checked at the same time, by as many processes as there are cores, and put together in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from nebctl.core.ledger import canonical, jws
from nebctl.core.ledger.check import Finding, check_signed
from nebctl.core.ledger.encoding import FormatError, b64, b64url
from nebctl.core.ledger.grammar import READS, SessionEvent, check_meaning, check_volumes, read_event
from nebctl.core.ledger.head import Checkpoint, Origin, verify_head_line
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.rows import Row, Stretch
from nebctl.core.ledger.shown import check_shown
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import Frontier

HANDFUL = 16
"""Rows that are read before the first of them is judged: few enough for a processor to keep them at hand."""


class TraceClaim(NamedTuple):
    """What a `dose` record says of its session's trace: its SHA-256 in hex."""

    seq: int
    session: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """By what a log is checked: the keys that signed it, the signature check, and what reads the records' JSON."""

    ring: KeyRing
    verify: Verifier
    decode: canonical.Decoder = canonical.decode


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


def check_stretch(stretch: Stretch, by: Authority) -> Checked:
    """Return what is wrong in a stretch, as if all before it were right."""
    walk = _Walk(stretch, by)
    places = zip(stretch.rows, stretch.leaves, stretch.before.roots(stretch.leaves), strict=True)
    while handful := tuple(islice(places, HANDFUL)):
        for (row, leaf, root), read in zip(handful, _read([row for row, _, _ in handful], by), strict=True):
            walk.take(row, leaf, root, read)
    return walk.checked


class _Read(NamedTuple):
    """A row's text taken apart, or why it cannot be; `good` says whether the key of its place signed it."""

    record: jws.Jws | FormatError
    good: bool


def _read(rows: Sequence[Row], by: Authority) -> list[_Read]:
    """Take the texts apart, and then check their signatures one right after the other.

    Between other work each check takes a tenth longer, for what a processor keeps at hand is then the other work's.
    """
    records = [_parse(row.text, by.decode) for row in rows]
    return [_Read(record, _is_signed(row.seq, record, by)) for row, record in zip(rows, records, strict=True)]


def _parse(text: str, decode: canonical.Decoder) -> jws.Jws | FormatError:
    try:
        return jws.parse(text, decode)
    except FormatError as error:
        return error


def _is_signed(seq: int, record: jws.Jws | FormatError, by: Authority) -> bool:
    if isinstance(record, FormatError):
        return False
    return by.verify(by.ring.of_record(max(seq, 0)).public, record.signing_input, record.signature)


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
            after=stretch.after,
            next_seq=stretch.rows[-1].seq + 1,
        )

    def take(self, row: Row, leaf: bytes, root: bytes, read: _Read) -> None:
        """Check a row; `leaf` is its text's hash, `root` the tree's root after it."""
        payload = self._take_record(row, leaf, read)
        self._next = row.seq + 1
        self._size += 1
        self._root = root
        if self._size in self._stretch.roots:
            self._compare_receipts(row.seq)
        self._take_beside(row, payload)

    def _take_record(self, row: Row, leaf: bytes, read: _Read) -> Mapping[str, Json] | None:
        """Return the members of the record where its text and signature are good, wherever it stands."""
        payload = None
        try:
            self._check_order(row)
            if isinstance(read.record, FormatError):
                raise read.record
            check_signed(read.record, self._by.ring.of_record(row.seq), good=read.good)
            payload = read.record.payload
            self._check_place(row, leaf, payload)
        except FormatError as error:
            self._remark(row.seq, error, follows=error.where == "prev")
            self.checked.whole = False
        else:
            if payload["typ"] in READS or payload["typ"] == "signature":
                self._take_session(row.seq, payload)
        return payload

    def _take_session(self, seq: int, payload: Mapping[str, Json]) -> None:
        try:
            event = read_event(seq, payload)
            if event is not None and self.checked.whole:
                self.checked.events.append(event)
            if payload["typ"] == "dose":
                check_volumes(payload)
            elif payload["typ"] == "signature":
                check_meaning(payload)
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
