"""What is found wrong in a ledger, and the check of one record by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nebctl.core.ledger import disclosure, jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import entry_of
from nebctl.core.ledger.head import Origin, kid
from nebctl.core.ledger.members import check_members
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Entry
from nebctl.core.ledger.signing import Verifier


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
    check_signed(parsed, unit, good=verify(unit.public, parsed.signing_input, parsed.signature))
    disclosure.check(parsed.payload, disclosures)
    return entry_of(parsed, text, disclosures)


def check_signed(parsed: jws.Jws, unit: Vkey, *, good: bool) -> None:
    """Check a record taken apart, but for private facts, as `check_record` does; `good` is what its signature is.

    Raises: `FormatError` naming the first thing that is wrong.
    """
    key, owner = _named(unit)
    if parsed.kid != key:
        raise FormatError("kid", parsed.kid, f"{key}, the key of {unit.name}")
    if not good:
        raise FormatError("signature", "a bad signature", f"a good one by {unit.name} key {key}")
    check_members(parsed.payload)
    for name, expected in (("unit", owner.unit), ("ep", owner.epoch), ("sim", owner.simulated)):
        if parsed.payload[name] != expected:
            raise FormatError(f"member {name}", parsed.payload[name], f"{expected}, as the key {unit.name} says")


@lru_cache(maxsize=64)
def _named(unit: Vkey) -> tuple[str, Origin]:
    return kid(unit), Origin.parse(unit.name)
