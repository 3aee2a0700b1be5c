"""The proof that a log only grew between two countersigned heads: nothing before the older one was changed or lost.

The text is the body by which C2SP tlog-witness asks for a countersignature: `old` and a size, a hash a line, a blank
line, the newer head. Source: C2SP tlog-witness v1.0.0, add-checkpoint; RFC 9162, section 2.1.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError, b64, undecimal, unhash64
from nebctl.core.ledger.head import Origin, Receipt
from nebctl.core.ledger.keyring import KeyRing, open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import verify_consistency

MAX_PATH = 64
"""A path has at most one hash a level, and one more. Source: RFC 9162, section 2.1.4.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """How the tree of the newer head grew from the one of `old_size` records."""

    old_size: int
    path: tuple[bytes, ...]
    new_note: str


@dataclass(frozen=True, slots=True)
class Grown:
    """Two receipts of one log of which the newer holds all that the older does."""

    old: Receipt
    new: Receipt


def format_consistency(proof: ConsistencyProof) -> str:
    """Return the text of a `.tlog-consistency` file."""
    hashes = "".join(f"{b64(each)}\n" for each in proof.path)
    return f"old {proof.old_size}\n{hashes}\n{proof.new_note}"


def parse_consistency(text: str) -> ConsistencyProof:
    """Read the text of a `.tlog-consistency` file; the note in it is kept as it is.

    Raises: `FormatError` where a line is not what it must be.
    """
    front, blank, note = text.partition("\n\n")
    first, *hashes = front.split("\n")
    if not blank:
        raise FormatError("consistency", "no blank line", "a blank line before the checkpoint")
    if not first.startswith("old "):
        raise FormatError("consistency line 1", first, "old and a number")
    if len(hashes) > MAX_PATH:
        raise FormatError("consistency", f"{len(hashes)} hashes", f"at most {MAX_PATH}")
    path = tuple(unhash64(line, f"consistency line {number}") for number, line in enumerate(hashes, 2))
    return ConsistencyProof(
        old_size=undecimal(first.removeprefix("old "), "consistency old size"), path=path, new_note=note
    )


def check_consistency(
    old_note: str, text: str, *, unit: KeyRing, pharmacy: Vkey, verify: Verifier
) -> Grown | list[Finding]:
    """Return the two receipts, each by the unit's key at its size, or the finding that stopped the check.

    The order: the older head's two signatures, the newer head's, the sizes, the path from one root to the other.
    Raises: `FormatError` where the unit key's name is not an origin.
    """
    owner = Origin.parse(unit.newest.name)
    try:
        old = _open("old", old_note, unit, pharmacy, verify)
        proof = parse_consistency(text)
        new = _open("new", proof.new_note, unit, pharmacy, verify)
        _check_path(old, new, proof.old_size, proof.path)
    except FormatError as error:
        return [
            Finding(
                unit=owner.unit,
                epoch=owner.epoch,
                seq=None,
                what=error.where,
                seen=error.seen,
                expected=error.expected,
            )
        ]
    return Grown(old, new)


def _open(which: str, note: str, unit: KeyRing, pharmacy: Vkey, verify: Verifier) -> Receipt:
    try:
        return open_receipt_by(note, unit, pharmacy, verify)
    except FormatError as error:
        raise FormatError(f"{which} {error.where}", error.seen, error.expected) from None


def _check_path(old: Receipt, new: Receipt, old_size: int, path: Sequence[bytes]) -> None:
    before, after = old.checkpoint, new.checkpoint
    if old_size != before.size:
        raise FormatError("consistency old size", old_size, f"{before.size}, as the old head says")
    if before.size > after.size:
        raise FormatError("head sizes", f"{before.size}, then {after.size}", "a log that only grows")
    if not verify_consistency(before.size, before.root, after.size, after.root, path):
        expected = f"{b64(before.root)} at size {before.size} and {b64(after.root)} at size {after.size}"
        raise FormatError("consistency path", "other roots", expected)
