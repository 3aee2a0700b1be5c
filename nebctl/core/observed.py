"""Who observed which dose, and who has not signed it yet: one part for each person, from the records alone (S55)."""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl.core.instant import Instant
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Entry, Json, SessionDay


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedPart:
    """The part of one dose that a person observed and has not signed.

    `ref_seq` and `ref_leaf` (hex) are the dose record's place and hash; `boot`, `mono_ns` and `wall_ns` its moment.
    `shared` says that others observed the same dose: what is signed is a part of it.
    """

    place: SessionDay
    subject: str
    operator: str
    ref_seq: int
    ref_leaf: str
    boot: str
    mono_ns: int
    wall_ns: int
    shared: bool

    def age_ns(self, now: Instant) -> int:
        """Return how long it has waited; over a restart by the wall clock, and never less than nothing."""
        began_ns, until_ns = (self.mono_ns, now.mono_ns) if now.boot == self.boot else (self.wall_ns, now.wall_ns)
        return max(0, until_ns - began_ns)


def parts_of(entry: Entry, place: SessionDay, subject: str, observers: tuple[str, ...]) -> tuple[UnsignedPart, ...]:
    """Return a part of the dose record for each person who observed it; a name that was erased signs nothing."""
    payload, people = entry.payload, dict.fromkeys(observers)
    return tuple(
        UnsignedPart(
            place=place,
            subject=subject,
            operator=operator,
            ref_seq=entry.seq,
            ref_leaf=entry.leaf.hex(),
            boot=str(payload["boot"]),
            mono_ns=_count(payload["mono_ns"]),
            wall_ns=envelope.parse_utc(str(payload["utc"])),
            shared=len(people) > 1,
        )
        for operator in people
        if operator
    )


def without(parts: tuple[UnsignedPart, ...], signature: Mapping[str, Json], operator: str) -> tuple[UnsignedPart, ...]:
    """Return the parts that are left after a signature; one whose name was erased signs for nobody any more.

    A place alone is not unique across epochs, so the hash counts too.
    """
    of = (signature["ref_seq"], signature["ref_leaf"])
    return tuple(part for part in parts if (part.ref_seq, part.ref_leaf) != of or operator not in ("", part.operator))


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0
