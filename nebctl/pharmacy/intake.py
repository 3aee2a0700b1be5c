"""What becomes of records that arrive together: judged in the order of their places, before any of it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.ledger import tree
from nebctl.core.ledger.head import kid
from nebctl.core.ledger.keyring import KeyRing, Span
from nebctl.core.ledger.records import Entry
from nebctl.core.ledger.signing import Verifier
from nebctl.pharmacy.check import (
    Known,
    Reason,
    Refused,
    Signed,
    check_genesis,
    check_head,
    check_prev,
    check_rotation,
    check_signature,
    check_source,
    check_valid,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A record that was committed now; `remark` None means that it fits the leases."""

    unit: str
    epoch: int
    seq: int
    typ: str
    remark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A record that was committed before, byte for byte."""

    unit: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfOrder:
    """A record that comes too early: `want` is the sequence number that is missing first."""

    unit: str
    epoch: int
    seq: int
    want: int


Taken: TypeAlias = Accepted | Duplicate | OutOfOrder | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """What a run is judged against: the unit of its topic, what is known of its epoch, and how to look further.

    `leaf_at` returns the leaf hash of a record that is kept already, by its place.
    """

    unit: str
    known: Known
    simulated: bool
    verify: Verifier
    leaf_at: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Records of one unit's epoch, judged: an answer each, those to keep in order, and the tree that ends with them.

    `spans` are the keys that the kept records handed the log over to.
    """

    answers: tuple[Taken, ...]
    kept: tuple[Signed, ...]
    frontier: tree.Frontier
    spans: tuple[Span, ...] = ()


def judge_run(records: Sequence[Signed], register: Register) -> Run:
    """Judge records of one unit's epoch that arrived together, whatever their order.

    Each record's own signature and place are checked. The head over the last one kept covers all before it, so that
    the heads between are read only where that last one is not good: the run then ends before the first bad one.
    """
    quick, ring = _judge(records, register, each_head=False)
    if not quick.kept or check_head(quick.kept[-1], ring, quick.frontier, register.verify) is None:
        return quick
    return _judge(records, register, each_head=True)[0]


def _judge(records: Sequence[Signed], register: Register, *, each_head: bool) -> tuple[Run, KeyRing]:
    growth = _Growth(register, each_head=each_head)
    answers: dict[int, Taken] = {}
    for place in sorted(range(len(records)), key=lambda place: records[place].entry.seq):
        answers[place] = growth.take(records[place])
    in_order = tuple(answers[place] for place in range(len(records)))
    spans = growth.ring.spans[len(register.known.keys.ring.spans) :]
    return Run(answers=in_order, kept=tuple(growth.kept), frontier=growth.frontier, spans=spans), growth.ring


class _Growth:
    """One unit's tree, and its keys, while records are added in memory."""

    def __init__(self, register: Register, *, each_head: bool) -> None:
        self._register = register
        self._each_head = each_head
        self.frontier = register.known.frontier
        self.ring = register.known.keys.ring
        self.kept: list[Signed] = []

    def take(self, signed: Signed) -> Taken:
        """Judge the next record, and add it where all of it holds."""
        register, entry = self._register, signed.entry
        if refused := check_source(signed, register.unit, register.simulated):
            return refused
        if entry.seq < self.frontier.size and self._leaf_at(entry.seq) == entry.leaf:
            return Duplicate(unit=register.unit, epoch=entry.epoch, seq=entry.seq)
        if entry.seq > self.frontier.size and signed.parsed.kid != kid(self.ring.newest):
            return self._too_early(entry)  # the record that hands the log over to this key may be on its way
        vkey = self.ring.of_record(entry.seq)
        if refused := check_signature(signed, vkey, register.verify) or check_valid(vkey, register.known.keys):
            return refused
        if entry.seq < self.frontier.size:
            seen = f"another record {entry.seq} under the unit's good signature"
            return Refused(reason=Reason.FORK, seen=seen, expected="the one that was kept")
        if entry.seq > self.frontier.size:
            return self._too_early(entry)
        return self._add(signed)

    def _too_early(self, entry: Entry) -> OutOfOrder:
        return OutOfOrder(unit=self._register.unit, epoch=entry.epoch, seq=entry.seq, want=self.frontier.size)

    def _add(self, signed: Signed) -> Accepted | Refused:
        register, entry = self._register, signed.entry
        if refused := check_prev(signed, self.frontier) or check_genesis(signed, register.known):
            return refused
        grown, ring = self.frontier.append(entry.leaf), check_rotation(signed, self.ring, register.verify)
        if isinstance(ring, Refused):
            return ring
        if self._each_head and (refused := check_head(signed, ring, grown, register.verify)):
            return refused
        self.frontier, self.ring = grown, ring
        self.kept.append(signed)
        return Accepted(unit=register.unit, epoch=entry.epoch, seq=entry.seq, typ=str(entry.payload["typ"]))

    def _leaf_at(self, seq: int) -> bytes:
        began = self._register.known.frontier.size
        return self._register.leaf_at(seq) if seq < began else self.kept[seq - began].entry.leaf
