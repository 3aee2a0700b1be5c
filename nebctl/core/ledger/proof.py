"""The proof of one dose: its record, the path to a head, and the two signatures over that head.

Source: C2SP tlog-proof v1 (c2sp.org/tlog-proof@v1), without the optional extra line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nebctl.core.ledger import disclosure, jws
from nebctl.core.ledger.check import Finding, check_record
from nebctl.core.ledger.encoding import FormatError, b64, undecimal, unhash64
from nebctl.core.ledger.grammar import check_volumes
from nebctl.core.ledger.head import Checkpoint, Origin, Receipt
from nebctl.core.ledger.keyring import KeyRing, open_receipt_by
from nebctl.core.ledger.note import Vkey, parse_note
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import verify_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_PATH = 63
"""A path has at most one hash a level. Source: C2SP tlog-proof v1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseProof:
    """Where a record stands and under which countersigned head; `path` goes from the leaf up to the root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint_note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofChecked:
    """What a proof has proven; `revealed` are the private facts that were shown."""

    entry: Entry
    revealed: Mapping[str, Json]
    receipt: Receipt


def format_proof(proof: DoseProof) -> str:
    """Return the text of a `.tlog-proof` file."""
    hashes = "".join(f"{b64(each)}\n" for each in proof.path)
    return f"{FIRST_LINE}\nindex {proof.index}\n{hashes}\n{proof.checkpoint_note}"


def parse_proof(text: str) -> DoseProof:
    """Read the text of a `.tlog-proof` file; the note in it is kept as it is.

    Raises: `FormatError` where a line is not what it must be.
    """
    front, blank, note = text.partition("\n\n")
    lines = front.split("\n")
    if not blank:
        raise FormatError("proof", "no blank line", "a blank line before the checkpoint")
    if lines[0] != FIRST_LINE:
        raise FormatError("proof line 1", lines[0], FIRST_LINE)
    if len(lines) < 2 or not lines[1].startswith("index "):
        raise FormatError("proof line 2", lines[1] if len(lines) > 1 else "nothing", "index and a number")
    if len(lines) - 2 > MAX_PATH:
        raise FormatError("proof", f"{len(lines) - 2} hashes", f"at most {MAX_PATH}")
    path = tuple(unhash64(line, f"proof line {number}") for number, line in enumerate(lines[2:], 3))
    index = undecimal(lines[1].removeprefix("index "), "proof index")
    return DoseProof(index=index, path=path, checkpoint_note=note)


def check_proof(
    jws_text: str,
    disclosures: Sequence[str],
    proof_text: str,
    *,
    unit: KeyRing,
    pharmacy: Vkey,
    verify: Verifier,
) -> ProofChecked | list[Finding]:
    """Return what is proven, or the finding that stopped the check.

    The order: the record's signature by the unit's key at its place, its members against the key's name, the index, the
    path from its leaf to the head's root, the unit's signature over the head and its origin, the pharmacy's
    countersignature.
    Raises: `FormatError` where the unit key's name is not an origin.
    """
    seq: int | None = None
    try:
        entry = check_record(jws_text, disclosures, unit.of_record(_claimed_place(jws_text)), verify)
        seq = entry.seq
        _check_dose(entry)
        proof = parse_proof(proof_text)
        _check_place(entry, proof)
        receipt = open_receipt_by(proof.checkpoint_note, unit, pharmacy, verify)
        revealed = disclosure.check(entry.payload, disclosures)
    except FormatError as error:
        return [_finding(unit.newest, seq, error)]
    return ProofChecked(entry=entry, revealed=revealed, receipt=receipt)


def _claimed_place(jws_text: str) -> int:
    """Return the place that a record claims, by which its key is chosen; the signature then proves it."""
    seq = jws.parse(jws_text).payload.get("seq")
    return seq if isinstance(seq, int) and seq >= 0 else 0


def _check_dose(entry: Entry) -> None:
    if entry.payload["typ"] != "dose":
        raise FormatError("member typ", entry.payload["typ"], "dose")
    for name in ("session", "end", "verdict"):
        if not isinstance(entry.payload.get(name), str):
            raise FormatError(f"member {name}", entry.payload.get(name), "text")
    check_volumes(entry.payload)


def _check_place(entry: Entry, proof: DoseProof) -> None:
    head = Checkpoint.parse(parse_note(proof.checkpoint_note).text)
    if proof.index != entry.seq:
        raise FormatError("proof index", proof.index, f"{entry.seq}, the record's seq")
    if not verify_inclusion(entry.leaf, proof.index, head.size, proof.path, head.root):
        raise FormatError("inclusion path", "another root", f"{b64(head.root)} at size {head.size}")


def _finding(unit: Vkey, seq: int | None, error: FormatError) -> Finding:
    owner = Origin.parse(unit.name)
    return Finding(
        unit=owner.unit, epoch=owner.epoch, seq=seq, what=error.where, seen=error.seen, expected=error.expected
    )
