"""Hello and its answer: at each contact a unit learns, freshly signed, how far the pharmacy knows its log.

The unit asks with a nonce of 16 bytes. The answer is a note by the pharmacy's orders key, which never countersigns:

    nebctl/hello/v1
    <origin of the newest epoch that the pharmacy knows>
    <nonce, 32 hex digits>
    <number of records that it keeps of that epoch>
    <base64 of the root over them>

A receipt that a broker kept proves how things stood once; only an answer to this nonce proves how they stand now.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from nebctl.core.ledger import canonical
from nebctl.core.ledger.encoding import FormatError, b64, undecimal, unhash64
from nebctl.core.ledger.head import Checkpoint, Origin
from nebctl.core.ledger.note import Vkey, parse_note, sign_note, verify_note
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.signing import Signer, Verifier

NONCE_BYTES = 16
HEAD = "nebctl/hello/v1"
"""First line of an answer, by which it is told from a receipt on the same topic."""

_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MEMBERS = frozenset(("nonce", "ep", "size", "root"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a unit says: its nonce (32 hex digits), its epoch, and how its tree stands.

    `want` asks for its own records back, from this place on; None asks for none.
    """

    nonce: str
    epoch: int
    size: int
    root: bytes
    want: int | None = None

    def body(self) -> bytes:
        """Return the message."""
        members: dict[str, Json] = {"nonce": self.nonce, "ep": self.epoch, "size": self.size, "root": b64(self.root)}
        return canonical.encode(members if self.want is None else {**members, "want": self.want})

    @classmethod
    def parse(cls, body: bytes) -> "Hello":
        """Read a hello.

        Raises: `FormatError` where it is not one, to the byte.
        """
        members = canonical.decode(body)
        if members.keys() - {"want"} != _MEMBERS:
            raise FormatError("hello", sorted(members), "nonce, ep, size, root, perhaps want")
        return cls(
            nonce=_nonce(members["nonce"]),
            epoch=_count(members, "ep", 1),
            size=_count(members, "size", 0),
            root=unhash64(str(members["root"]), "hello root"),
            want=_count(members, "want", 0) if "want" in members else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the pharmacy answers: the tree that it keeps of the unit's newest epoch, for this nonce."""

    nonce: str
    kept: Checkpoint

    def note(self, name: str, signer: Signer) -> str:
        """Return the answer as a note signed by the key called `name`."""
        kept = self.kept
        text = f"{HEAD}\n{kept.origin}\n{self.nonce}\n{kept.size}\n{b64(kept.root)}\n"
        return sign_note(text, name, signer)

    @classmethod
    def open(cls, note: str, pharmacy: Vkey, verify: Verifier) -> "Answer":
        """Return what an answer says that this key of the pharmacy signed.

        Raises: `FormatError` where it is no answer or not signed by that key.
        """
        parsed = parse_note(note)
        if not verify_note(parsed, pharmacy, verify):
            seen = ", ".join(line.name for line in parsed.lines)
            raise FormatError("answer signature", f"lines by {seen}", f"a good one by {pharmacy.name}")
        lines = parsed.text.split("\n")
        if len(lines) != 6 or lines[0] != HEAD or lines[5]:
            raise FormatError("answer", parsed.text, f"{HEAD}, origin, nonce, size, root")
        Origin.parse(lines[1])
        kept = Checkpoint(lines[1], undecimal(lines[3], "answer size"), unhash64(lines[4], "answer root"))
        return cls(nonce=_nonce(lines[2]), kept=kept)


class Parted(Enum):
    """How a unit's log and what the pharmacy keeps of it can disagree.

    ROLLBACK: the pharmacy keeps more than the unit has. FORK: what both have is not the same.
    """

    ROLLBACK = "rollback"
    FORK = "fork"


def compare(kept: Checkpoint, own: Checkpoint, root_at: Callable[[int], bytes]) -> Parted | None:
    """Return how the unit's log disagrees with what the pharmacy keeps; None means that it continues it.

    `root_at` returns the root of the unit's first records, up to its size. An answer about a later epoch than the
    unit's own shows that the unit was put back to before that epoch.
    Raises: `FormatError` where the answer is about another unit or an earlier epoch.
    """
    theirs, mine = Origin.parse(kept.origin), Origin.parse(own.origin)
    if (theirs.site, theirs.unit) != (mine.site, mine.unit) or theirs.epoch < mine.epoch:
        raise FormatError("answer origin", kept.origin, own.origin)
    if theirs.epoch > mine.epoch or kept.size > own.size:
        return Parted.ROLLBACK
    return None if root_at(kept.size) == kept.root else Parted.FORK


def _nonce(value: Json) -> str:
    if not isinstance(value, str) or not _NONCE.fullmatch(value):
        raise FormatError("nonce", value, "32 lower-case hex digits")
    return value


def _count(members: dict[str, Json], name: str, least: int) -> int:
    value = members[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise FormatError(f"hello {name}", value, f"a whole number from {least}")
    return value
