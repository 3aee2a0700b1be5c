"""What a record must satisfy before the pharmacy keeps it: pure checks over what is already known of the unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from nebctl.core.ledger import disclosure, envelope, head, jws, tree
from nebctl.core.ledger.encoding import FormatError, b64url, show
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.ledger.signing import Verifier
from nebctl.publish.topics import parse_record

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


HARMLESS = frozenset((Reason.REPEATED, Reason.EARLY))
"""Records that were kept before, or will be sent again in their turn: counted, and no sign of anything wrong."""
EVIDENCE = frozenset((Reason.CHAIN, Reason.FORK))
"""Refusals of what the unit's own key signed: kept, for they prove two histories under one key."""


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
    """What the pharmacy knows of one unit's epoch: its key, and its tree as committed here."""

    vkey: Vkey
    frontier: tree.Frontier
    kid: str


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
        parsed = jws.parse(parts.jws)
        envelope.check_members(parsed.payload)
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


def check_signature(signed: Signed, known: Known, verify: Verifier) -> Refused | None:
    """Check the record's signature by the key that was enrolled for its unit and epoch."""
    record, vkey = signed.parsed, known.vkey
    if record.kid != known.kid:
        return Refused(reason=Reason.KEY, seen=f"key {record.kid}", expected=f"the enrolled key {known.kid}")
    if not verify(vkey.public, record.signing_input, record.signature):
        return Refused(reason=Reason.SIGNATURE, seen="a bad signature", expected=f"one by {vkey.name}")
    return None


def check_prev(signed: Signed, frontier: tree.Frontier) -> Refused | None:
    """Check that the record continues this tree."""
    expected = b64url(frontier.root())
    if signed.entry.payload["prev"] != expected:
        return Refused(reason=Reason.CHAIN, seen=show(signed.entry.payload["prev"]), expected=f"prev {expected}")
    return None


def check_head(signed: Signed, known: Known, grown: tree.Frontier, verify: Verifier) -> Refused | None:
    """Check the head that came with a record, over the tree that ends with it."""
    checkpoint = head.Checkpoint(known.vkey.name, grown.size, grown.root())
    try:
        good = head.verify_head_line(checkpoint, signed.head_line, known.vkey, verify)
    except FormatError as fault:
        return _refused(Reason.HEAD, fault)
    if not good:
        seen = f"no good signature over size {grown.size}"
        return Refused(reason=Reason.HEAD, seen=seen, expected=f"the head signed by {known.vkey.name}")
    return None


def _refused(reason: Reason, fault: ValueError) -> Refused:
    if isinstance(fault, FormatError):
        return Refused(reason=reason, seen=f"{fault.where}: {fault.seen}", expected=fault.expected)
    return Refused(reason=reason, seen=show(str(fault)), expected="a well-formed record")
