"""Heads and receipts: a unit signs how its tree stands, the pharmacy countersigns what it has seen.

Source: C2SP tlog-checkpoint v1.0.0 and tlog-cosignature v1.0.1.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from nebctl.core.ledger.encoding import FormatError, b64, undecimal, unhash64
from nebctl.core.ledger.note import (
    COSIGNATURE,
    ED25519,
    SignatureLine,
    SignedNote,
    Vkey,
    key_id,
    parse_note,
    parse_signature_line,
    signature_line,
    verify_note,
)
from nebctl.core.ledger.signing import Signer, Verifier

SITE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
UNIT = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
MAX_TIME_S = 253_402_300_800
"""The first second of the year 10000, which no calendar text shows."""

_SIMULATED = "sim."


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose tree it is: the site's domain, the unit, and the epoch from 1 on."""

    site: str
    unit: str
    epoch: int

    def __post_init__(self) -> None:
        if not SITE.fullmatch(self.site):
            raise FormatError("site", self.site, "a domain name in lower case")
        if not UNIT.fullmatch(self.unit):
            raise FormatError("unit", self.unit, "lower-case letters, digits and hyphens, such as neb-0001")
        if self.epoch < 1:
            raise FormatError("epoch", self.epoch, "1 or more")

    def text(self) -> str:
        """Return the origin as it stands on a head, which is the name of the unit's key as well."""
        return f"{self.site}/nebctl/{self.unit}/{self.epoch}"

    @property
    def simulated(self) -> bool:
        """Return whether the site's name admits a simulation."""
        return self.site.startswith(_SIMULATED)

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Read an origin.

        Raises: `FormatError` where it is not `<site>/nebctl/<unit>/<epoch>`.
        """
        parts = text.split("/")
        if len(parts) != 4 or parts[1] != "nebctl":
            raise FormatError("origin", text, "<site>/nebctl/<unit>/<epoch>")
        return cls(parts[0], parts[2], undecimal(parts[3], "epoch"))


def origin(site: str, unit: str, epoch: int) -> str:
    """Return the origin of a unit's tree, which is the name of its key as well.

    Raises: `FormatError` for a site, unit or epoch that cannot stand in one.
    """
    return Origin(site, unit, epoch).text()


def kid(vkey: Vkey) -> str:
    """Return the key ID that record headers name, 8 hex digits."""
    return vkey.key_id.hex()


class Checkpoint(NamedTuple):
    """How a tree stands: its origin, its number of leaves, its root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the three lines of a checkpoint; extension lines are refused.

        Raises: `FormatError` where they are not origin, size and root, each with its newline.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise FormatError("checkpoint", text, "three lines: origin, size, root")
        return cls(lines[0], undecimal(lines[1], "checkpoint size"), unhash64(lines[2], "checkpoint root"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """A head under the unit's and the pharmacy's signatures; `time_s` is the pharmacy's Unix time in seconds."""

    checkpoint: Checkpoint
    time_s: int


def head_line(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the unit's signature line, with its newline; the key's name is the origin."""
    return _line(checkpoint.origin, ED25519, signer, checkpoint.text().encode("utf-8"), b"")


def verify_head_line(checkpoint: Checkpoint, line: str, vkey: Vkey, verify: Verifier) -> bool:
    """Return whether the line is this unit key's good signature over the checkpoint.

    Raises: `FormatError` where the line is not a signature line.
    """
    return verify_note(SignedNote(checkpoint.text(), (parse_signature_line(line),)), vkey, verify)


def cosign(checkpoint: Checkpoint, unix_time_s: int, name: str, signer: Signer) -> str:
    """Return the pharmacy's signature line, with its newline, over the checkpoint and the Unix time in seconds.

    Raises: `FormatError` for a time that no calendar shows.
    """
    if not 0 < unix_time_s < MAX_TIME_S:
        raise FormatError("countersignature time", unix_time_s, "Unix seconds after 1970 and before the year 10000")
    stamp = unix_time_s.to_bytes(8, "big")
    return _line(name, COSIGNATURE, signer, _cosigned_bytes(checkpoint.text(), unix_time_s), stamp)


def verify_cosignature(text: str, line: str, vkey: Vkey, verify: Verifier) -> int | None:
    """Return the Unix time, in seconds, at which the witness key countersigned; None where it did not.

    `text` is the checkpoint's three lines.
    Raises: `FormatError` where the line is not a signature line.
    """
    return _cosigned_at(text, parse_signature_line(line), vkey, verify)


def open_head(note: str, unit: Vkey, verify: Verifier) -> Checkpoint:
    """Return the checkpoint of a head that the unit's key signed; other lines are left alone.

    Raises: `FormatError` where the note is malformed, of another origin, or not signed by that key.
    """
    parsed = parse_note(note)
    checkpoint = Checkpoint.parse(parsed.text)
    if checkpoint.origin != unit.name:
        raise FormatError("head origin", checkpoint.origin, unit.name)
    if not verify_note(parsed, unit, verify):
        raise FormatError("head signature", "no good signature", f"one by {unit.name} key {kid(unit)}")
    return checkpoint


def open_receipt(note: str, unit: Vkey, pharmacy: Vkey, verify: Verifier) -> Receipt:
    """Return what a countersigned head says: exactly the unit's line, then the pharmacy's.

    Raises: `FormatError` where the note is malformed, of another origin, or a signature is missing or bad.
    """
    checkpoint = open_head(note, unit, verify)
    parsed = parse_note(note)
    named = [line.name for line in parsed.lines]
    if named != [unit.name, pharmacy.name]:
        raise FormatError("receipt", f"lines by {', '.join(named)}", f"lines by {unit.name}, {pharmacy.name}")
    time_s = _cosigned_at(parsed.text, parsed.lines[1], pharmacy, verify)
    if time_s is None:
        raise FormatError("cosignature", "no good signature", f"one by {pharmacy.name} key {kid(pharmacy)}")
    return Receipt(checkpoint, time_s)


def open_cosigned(note: str, origin: str, pharmacy: Vkey, verify: Verifier) -> Checkpoint:
    """Return the checkpoint of a receipt for the pharmacy's signature alone: it proves what that holds, and no more.

    Raises: `FormatError` where the note is malformed, of another origin, or not countersigned.
    """
    parsed = parse_note(note)
    checkpoint = Checkpoint.parse(parsed.text)
    if checkpoint.origin != origin:
        raise FormatError("receipt origin", checkpoint.origin, origin)
    if _cosigned_at(parsed.text, parsed.lines[-1], pharmacy, verify) is None:
        raise FormatError("cosignature", "no good signature", f"one by {pharmacy.name} key {kid(pharmacy)}")
    return checkpoint


def _cosigned_at(text: str, line: SignatureLine, vkey: Vkey, verify: Verifier) -> int | None:
    if vkey.type != COSIGNATURE or not line.by(vkey) or len(line.signature) != 72:
        return None
    time_s = int.from_bytes(line.signature[:8], "big")
    good = 0 < time_s < MAX_TIME_S and verify(vkey.public, _cosigned_bytes(text, time_s), line.signature[8:])
    return time_s if good else None


def _cosigned_bytes(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _line(name: str, kind: int, signer: Signer, message: bytes, prefix: bytes) -> str:
    return signature_line(name, key_id(name, kind, signer.public), prefix + signer.sign(message))
