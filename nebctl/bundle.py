"""Proofs as directories of a few files that anybody can carry away and check: of one dose, or of how a log grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.ledger import jws
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.consistency import Grown, check_consistency
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.head import UNIT, Checkpoint, Origin
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, parse_note
from nebctl.core.ledger.proof import ProofChecked, check_proof
from nebctl.keys import KeyFault, load_trust, load_unit_ring, verify

RECORD = "dose.jws"
PROOF = "dose.tlog-proof"
DISCLOSURES = "dose.disclosures"
OLD_HEAD = "old.checkpoint"
CONSISTENCY = "new.tlog-consistency"
PHARMACY = "pharmacy"
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The texts of a bundle; no disclosures means that no private fact is shown."""

    jws: str
    proof: str
    disclosures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a bundle has proven, and the trusted keys that it was proven by.

    `unit` is the unit's key at the record's place, `head` the one that signed the head: the same, but for a rotation.
    """

    checked: ProofChecked
    unit: Vkey
    head: Vkey
    pharmacy: Vkey


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedGrowth:
    """Two heads of one log, the newer of which was proven to hold all that the older does, and the trusted keys.

    `unit` is the unit's key at the older head, `head` the one at the newer: the same, but for a rotation.
    """

    grown: Grown
    unit: Vkey
    head: Vkey
    pharmacy: Vkey


def write_bundle(directory: Path, jws: str, proof: str, disclosures: Sequence[str] = ()) -> None:
    """Write a bundle; a file of an earlier bundle in the directory is replaced, and an empty one is not written.

    Raises: `OSError` where the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / RECORD).write_bytes(jws.encode("ascii"))
    (directory / PROOF).write_bytes(proof.encode("utf-8"))
    (directory / DISCLOSURES).unlink(missing_ok=True)
    if disclosures:
        (directory / DISCLOSURES).write_bytes("".join(f"{each}\n" for each in disclosures).encode("ascii"))


def read_bundle(directory: Path) -> Bundle:
    """Read a bundle, whose directory holds nothing else.

    Raises: `FormatError` where a file is missing, foreign or malformed; `OSError` where it cannot be read.
    """
    names = _check_names(directory, {RECORD, PROOF}, frozenset((DISCLOSURES,)))
    shown = _read_text(directory / DISCLOSURES) if DISCLOSURES in names else None
    return Bundle(
        jws=_read_text(directory / RECORD),
        proof=_read_text(directory / PROOF),
        disclosures=() if shown is None else _split_lines(shown),
    )


def verify_bundle(directory: Path, trust: Path) -> Verified | list[Finding]:
    """Return what the bundle in a directory proves by the keys of a trust directory, or what is wrong with it.

    No key inside the bundle is believed. `KeyFault` for the unit that the record names is a finding.
    Raises: `KeyFault` where the pharmacy's key cannot be used; `OSError` where a file cannot be read.
    """
    pharmacy = _load_typed(trust, PHARMACY, COSIGNATURE)
    unit_name = "unknown"
    try:
        bundle = read_bundle(directory)
        unit_name = _named_unit(bundle)
        ring = _load_ring(trust, unit_name, _epoch(bundle))
    except FormatError as error:
        return [_finding(unit_name, error.where, error.seen, error.expected)]
    except KeyFault as fault:
        return [_finding(unit_name, f"trusted key {fault.path.name}", fault.seen, fault.expected)]
    checked = check_proof(bundle.jws, bundle.disclosures, bundle.proof, unit=ring, pharmacy=pharmacy, verify=verify)
    if isinstance(checked, list):
        return checked
    signer = ring.of_head(checked.receipt.checkpoint.size)[-1]
    return Verified(checked=checked, unit=ring.of_record(checked.entry.seq), head=signer, pharmacy=pharmacy)


def is_growth(directory: Path) -> bool:
    """Return whether a directory holds the proof of how a log grew, and not that of a dose."""
    return (directory / CONSISTENCY).exists()


def write_growth(directory: Path, old_note: str, consistency: str) -> None:
    """Write the proof that a log only grew from an older head to the newer one in `consistency`.

    Raises: `OSError` where the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / OLD_HEAD).write_bytes(old_note.encode("utf-8"))
    (directory / CONSISTENCY).write_bytes(consistency.encode("utf-8"))


def verify_growth(directory: Path, trust: Path) -> VerifiedGrowth | list[Finding]:
    """Return what two heads and the hashes between them prove, by the keys of a trust directory, or what is wrong.

    Raises: as `verify_bundle`.
    """
    pharmacy = _load_typed(trust, PHARMACY, COSIGNATURE)
    unit_name = "unknown"
    try:
        _check_names(directory, {OLD_HEAD, CONSISTENCY})
        old, text = _read_text(directory / OLD_HEAD), _read_text(directory / CONSISTENCY)
        unit_name = _check_unit(_origin(old).unit)
        ring = _load_ring(trust, unit_name, _origin(old).epoch)
    except FormatError as error:
        return [_finding(unit_name, error.where, error.seen, error.expected)]
    except KeyFault as fault:
        return [_finding(unit_name, f"trusted key {fault.path.name}", fault.seen, fault.expected)]
    grown = check_consistency(old, text, unit=ring, pharmacy=pharmacy, verify=verify)
    if isinstance(grown, list):
        return grown
    before, after = (ring.of_head(each.checkpoint.size)[-1] for each in (grown.old, grown.new))
    return VerifiedGrowth(grown=grown, unit=before, head=after, pharmacy=pharmacy)


def _origin(note: str) -> Origin:
    return Origin.parse(Checkpoint.parse(parse_note(note).text).origin)


def _check_names(directory: Path, needed: set[str], optional: frozenset[str] = frozenset()) -> set[str]:
    names = {path.name for path in directory.iterdir()}
    for name in sorted(names - needed - optional):
        raise FormatError("bundle", name, f"only {', '.join(sorted(needed | optional))}")
    for name in sorted(needed - names):
        raise FormatError("bundle", f"no {name}", " and ".join(sorted(needed)))
    return names


def _named_unit(bundle: Bundle) -> str:
    return _check_unit(jws.parse(bundle.jws).payload.get("unit"))


def _check_unit(unit: object) -> str:
    if not isinstance(unit, str) or not UNIT.fullmatch(unit) or unit == PHARMACY:
        raise FormatError("member unit", unit, "a unit such as neb-0001")
    return unit


def _load_typed(trust: Path, stem: str, kind: int) -> Vkey:
    vkey = load_trust(trust, stem)
    if vkey.type != kind:
        advice = "Copy the key again from its owner."
        raise KeyFault(trust / f"{stem}.vkey", f"key type {vkey.type:#04x}", f"key type {kind:#04x}", advice)
    return vkey


def _epoch(bundle: Bundle) -> int:
    epoch = jws.parse(bundle.jws).payload.get("ep")
    return epoch if isinstance(epoch, int) else 1


def _load_ring(trust: Path, unit: str, epoch: int) -> KeyRing:
    """Return the unit's trusted keys, which are named by its origin and sign.

    Raises: `KeyFault` for a key file; `FormatError` for another name.
    """
    ring = load_unit_ring(trust, unit, epoch)
    Origin.parse(ring.newest.name)
    for span in ring.spans:
        if span.vkey.type != ED25519:
            raise KeyFault(trust / f"{unit}.vkey", f"key type {span.vkey.type:#04x}", f"key type {ED25519:#04x}", "")
    return ring


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FormatError(path.name, "a larger file", f"at most {_MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path.name} byte {error.start}", data[error.start : error.start + 8], "UTF-8") from None


def _split_lines(text: str) -> tuple[str, ...]:
    if not text.endswith("\n"):
        raise FormatError(DISCLOSURES, text[-16:], "one disclosure a line, each with its newline")
    return tuple(text[:-1].split("\n"))


def _finding(unit: str, what: str, seen: str, expected: str) -> Finding:
    return Finding(unit=unit, epoch=0, seq=None, what=what, seen=seen, expected=expected)
