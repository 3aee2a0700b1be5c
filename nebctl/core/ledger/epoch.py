"""A new epoch of a unit's log: the pharmacy permits it by two persons, and its `genesis` binds it to the one before.

A log that has forked, or whose key may be in other hands, is not mended: it ends, and another begins. The permit is a
note by the pharmacy's orders key:

    nebctl/epoch/v1
    <verifier line of the new epoch's key>
    after <base64 of the last countersigned head of the epoch before, or - where there is none>
"""

from dataclasses import dataclass

from nebctl.core.ledger.encoding import FormatError, b64, unb64
from nebctl.core.ledger.head import Checkpoint, Origin
from nebctl.core.ledger.note import ED25519, Vkey, parse_note, sign_note, verify_note
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.ledger.signing import Signer, Verifier

HEAD = "nebctl/epoch/v1"
DIVERGENT = "divergent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The new epoch's key, named by its origin, and the last countersigned head of the epoch before; None: none."""

    vkey: Vkey
    last: str | None

    @property
    def origin(self) -> Origin:
        """Return whose epoch it is, and which."""
        return Origin.parse(self.vkey.name)

    def note(self, name: str, signer: Signer) -> str:
        """Return the permit as a note signed by the key called `name`."""
        after = "-" if self.last is None else b64(self.last.encode())
        return sign_note(f"{HEAD}\n{self.vkey.text()}\nafter {after}\n", name, signer)

    @classmethod
    def open(cls, note: bytes | str, pharmacy: Vkey, verify: Verifier) -> "Permit":
        """Return what a permit says that this key of the pharmacy signed.

        Raises: `FormatError` where it is none, or not signed by that key.
        """
        parsed = parse_note(note)
        if not verify_note(parsed, pharmacy, verify):
            raise FormatError("permit signature", "no good signature", f"one by {pharmacy.name}")
        lines = parsed.text.split("\n")
        if len(lines) != 4 or lines[0] != HEAD or not lines[2].startswith("after ") or lines[3]:
            raise FormatError("permit", parsed.text, f"{HEAD}, a verifier line, after a head")
        vkey, after = Vkey.parse(lines[1]), lines[2].removeprefix("after ")
        if vkey.type != ED25519 or Origin.parse(vkey.name).epoch < 2:
            raise FormatError("permit key", vkey.name, "a signing key of epoch 2 or later")
        last = None if after == "-" else unb64(after, "permit head").decode("utf-8", "replace")
        return cls(vkey=vkey, last=last)

    def last_head(self) -> Checkpoint | None:
        """Return how the epoch before stands at the pharmacy; None where it has countersigned nothing of it.

        Raises: `FormatError` where the head is none.
        """
        return None if self.last is None else Checkpoint.parse(parse_note(self.last).text)


def genesis(permit: Permit, site: str, fork_at: int, divergent: int) -> Draft:
    """Return the first record of the new epoch.

    `fork_at` is the size up to which this unit's records and the pharmacy's of the epoch before are the same;
    `divergent` is how many records this unit holds beyond it, which follow as `incident` records.
    """
    facts: dict[str, Json] = {"site": site, "vkey": permit.vkey.text(), "fork_at": fork_at, "divergent": divergent}
    return Draft(typ="genesis", facts=facts if permit.last is None else {**facts, "prev_checkpoint": permit.last})


def divergent(epoch: int, entry: Entry) -> Draft:
    """Return the record that carries one of an ended epoch, which the pharmacy does not hold, into the new one."""
    facts: dict[str, Json] = {"kind": DIVERGENT, "of_ep": epoch, "size": entry.seq, "jws": entry.jws}
    return Draft(typ="incident", facts=facts, private={"disclosures": [*entry.disclosures]})
