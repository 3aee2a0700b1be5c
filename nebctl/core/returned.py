"""Leases that a unit gave back: from then on it starts nothing by them, and says so with a code (S50)."""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl.core.ledger.records import Draft, Json

EVENT = "lease-returned"
"""The `event` of an `order` record by which a unit gives the doses of a subject back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a unit gave back: every lease of the subject up to `sequence`.

    `last_day` is the newest study day on which it began a dose of the subject, 0 where it began none.
    """

    subject: str
    sequence: int
    last_day: int

    def record(self, operator: str) -> Draft:
        """Return the record that gives the leases back."""
        facts: dict[str, Json] = {"event": EVENT, "sequence": self.sequence, "last_day": self.last_day}
        return Draft(typ="order", facts=facts, private={"subject": self.subject, "operator": operator})


def returned_after(returned: Mapping[str, int], payload: Mapping[str, Json], subject: str) -> Mapping[str, int]:
    """Return by subject the newest lease that was given back, after one more `order` record."""
    sequence = payload.get("sequence")
    if payload.get("event") != EVENT or not isinstance(sequence, int):
        return returned
    return {**returned, subject: max(sequence, returned.get(subject, 0))}


def is_returned(returned: Mapping[str, int], subject: str, sequence: int) -> bool:
    """Return whether this lease, or a later one of the subject, was given back."""
    return subject in returned and sequence <= returned[subject]
