"""What a record must satisfy before the pharmacy keeps it: pure checks over what is already known of the unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from nebctl.core.ledger import disclosure, envelope, head, jws, tree
from nebctl.core.ledger.encoding import FormatError, b64url, show
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.members import check_members
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.ledger.signing import Verifier
from nebctl.pharmacy.unit_keys import UnitKeys
from nebctl.publish.topics import parse_record
from nebctl.store import codec

MOST_BYTES = 256 * 1024
"""A record message is never larger: the longest embeds a study protocol and site rules, some 20 KiB."""


class Reason(Enum):
    """Why a message is refused."""

    SIZE = "size"
    FORMAT = "format"
    TOPIC = "topic"
    UNKNOWN = "unknown-unit"
    SIMULATED = "simulated"
    KEY = "key"
    SIGNATURE = "signature"
    DISCLOSURE = "disclosure"
    CHAIN = "chain"
    HEAD = "head"
    FORK = "fork"
    REPEATED = "repeated"
    EARLY = "early"
    REVOKED = "revoked"
    CLOSED = "closed-epoch"


HARMLESS = frozenset((Reason.REPEATED, Reason.EARLY))
"""Records that were kept before, or will be sent again in their turn: counted, and no sign of anything wrong."""
EVIDENCE = frozenset((Reason.CHAIN, Reason.FORK, Reason.REVOKED, Reason.CLOSED))
"""Refusals of what the unit's own key signed: kept, for they prove two histories under one key, or a key's misuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that is not kept: why, what was seen, what was expected."""

    reason: Reason
    seen: str
    expected: str

    def sentence(self) -> str:
        """Return the refusal as one line."""
        return f"refused ({self.reason.value}): saw {self.seen}, expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the pharmacy knows of one unit's epoch: its keys, and its tree as committed here.

    `last` is the head of the epoch before that was countersigned last; None where there is none.
    """

    keys: UnitKeys
    frontier: tree.Frontier
    last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A record whose own text is in order: written strictly and signed by the unit, disclosures whole."""

    entry: Entry
    parsed: jws.Jws
    revealed: Mapping[str, Json]
    head_line: str


def read_body(body: bytes) -> Signed | Refused:
    """Return the record that a message carries; nothing in it is trusted yet."""
    if len(body) > MOST_BYTES:
        return Refused(reason=Reason.SIZE, seen=f"{len(body)} bytes", expected=f"at most {MOST_BYTES}")
    parts = parse_record(body)
    if parts is None:
        return Refused(reason=Reason.FORMAT, seen=show(body[:40]), expected="jws~disclosures~ and a signature line")
    try:
        parsed = jws.parse(parts.jws, codec.decode)
        check_members(parsed.payload)
    except ValueError as fault:
        return _refused(Reason.FORMAT, fault)
    try:
        revealed = disclosure.check(parsed.payload, parts.disclosures)
    except ValueError as fault:
        return _refused(Reason.DISCLOSURE, fault)
    promised = parsed.payload["_sd"]
    if not isinstance(promised, list) or len(promised) != len(parts.disclosures):
        seen = f"{len(parts.disclosures)} disclosures"
        return Refused(reason=Reason.DISCLOSURE, seen=seen, expected="every one that the record promises")
    entry = envelope.entry_of(parsed, parts.jws, parts.disclosures)
    return Signed(entry=entry, parsed=parsed, revealed=revealed, head_line=parts.head_line)


def check_source(signed: Signed, unit: str, simulated: bool) -> Refused | None:
    """Check that the record is of the unit whose topic it came on, and of this pharmacy's kind of world."""
    payload = signed.entry.payload
    if payload["unit"] != unit:
        return Refused(reason=Reason.TOPIC, seen=show(payload["unit"]), expected=f"{unit}, whose topic it came on")
    if payload["sim"] is not simulated:
        world = "simulated" if simulated else "real"
        return Refused(reason=Reason.SIMULATED, seen=f"sim {payload['sim']}", expected=f"{world} units only")
    return None


def check_signature(signed: Signed, vkey: Vkey, verify: Verifier) -> Refused | None:
    """Check the record's signature by the key that is valid at its place."""
    record, wanted = signed.parsed, head.kid(vkey)
    if record.kid != wanted:
        return Refused(reason=Reason.KEY, seen=f"key {record.kid}", expected=f"{wanted}, the unit's key at this place")
    if not verify(vkey.public, record.signing_input, record.signature):
        return Refused(reason=Reason.SIGNATURE, seen="a bad signature", expected=f"one by {vkey.name}")
    return None


def check_valid(vkey: Vkey, keys: UnitKeys) -> Refused | None:
    """Check that the key was not revoked, and that no later epoch has ended the one that it signs for."""
    if revoked := keys.revocation(vkey):
        seen = f"key {revoked.kid}, revoked {revoked.at}"
        return Refused(reason=Reason.REVOKED, seen=seen, expected="a new epoch of this unit, with a new key")
    if keys.closed_by is not None:
        seen, expected = f"a record of {vkey.name}", f"epoch {keys.closed_by}, which ended that one"
        return Refused(reason=Reason.CLOSED, seen=seen, expected=expected)
    return None


def check_prev(signed: Signed, frontier: tree.Frontier) -> Refused | None:
    """Check that the record continues this tree."""
    expected = b64url(frontier.root())
    if signed.entry.payload["prev"] != expected:
        return Refused(reason=Reason.CHAIN, seen=show(signed.entry.payload["prev"]), expected=f"prev {expected}")
    return None


def check_head(signed: Signed, ring: KeyRing, grown: tree.Frontier, verify: Verifier) -> Refused | None:
    """Check the head that came with a record, over the tree that ends with it, by every key that must sign it."""
    checkpoint, signers = head.Checkpoint(ring.newest.name, grown.size, grown.root()), ring.of_head(grown.size)
    lines = signed.head_line.split("\n")
    if len(lines) != len(signers):
        seen, expected = f"{len(lines)} signature lines", f"{len(signers)} over size {grown.size}"
        return Refused(reason=Reason.HEAD, seen=seen, expected=expected)
    for line, vkey in zip(lines, signers, strict=True):
        try:
            good = head.verify_head_line(checkpoint, line, vkey, verify)
        except FormatError as fault:
            return _refused(Reason.HEAD, fault)
        if not good:
            seen, expected = f"no good signature over size {grown.size}", f"the head signed by key {head.kid(vkey)}"
            return Refused(reason=Reason.HEAD, seen=seen, expected=f"{expected} of {vkey.name}")
    return None


def check_genesis(signed: Signed, known: Known) -> Refused | None:
    """Check that the first record of a later epoch is bound to the last countersigned head of the epoch before."""
    entry = signed.entry
    if entry.seq or entry.epoch == 1 or entry.payload.get("prev_checkpoint") == known.last:
        return None
    seen = show(entry.payload.get("prev_checkpoint"))
    return Refused(reason=Reason.CHAIN, seen=seen, expected="the head of the epoch before that was countersigned last")


def check_rotation(signed: Signed, ring: KeyRing, verify: Verifier) -> KeyRing | Refused:
    """Return the keys after a record, which may hand the log over to a new one."""
    try:
        return ring.take(signed.entry, verify)
    except FormatError as fault:
        return _refused(Reason.KEY, fault)


def _refused(reason: Reason, fault: ValueError) -> Refused:
    if isinstance(fault, FormatError):
        return Refused(reason=reason, seen=f"{fault.where}: {fault.seen}", expected=fault.expected)
    return Refused(reason=reason, seen=show(str(fault)), expected="a well-formed record")
