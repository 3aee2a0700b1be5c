"""What the pharmacy leases to a unit: doses of subjects from kits, with the course so far. Plain values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeAlias

from nebctl.core.kits import KnownKit
from nebctl.core.operators import Operator, find
from nebctl.core.scan.subject import Identity


class DoseState(Enum):
    """What is known of a dose that was planned; UNCERTAIN counts as given until two persons resolve it."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    STOPPED = "stopped"
    UNCERTAIN = "uncertain"
    MISSED = "missed"
    NOT_DONE = "notdone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDose:
    """One dose leased to the unit: study day and number in the day (both from 1), its kit, and when the lease ends.

    Times are Unix nanoseconds. From `not_after_ns` on no start is allowed. `thawed_at_ns` None means that no thaw was
    recorded; `use_by_ns` None means that no time from thaw to use is configured, or that the kit is not thawed.
    `sequence` rises with each lease of the subject's doses, to whichever unit; 0 is a list from before it was told.
    """

    day: int
    dose: int
    kit: str
    lot: str
    not_after_ns: int
    thawed_at_ns: int | None = None
    use_by_ns: int | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryItem:
    """What came of one dose of the course, on whichever unit; `session` is "" where none was begun.

    `started_ns` is when it began, in Unix ns; None where none was begun, or the list does not say.
    """

    day: int
    dose: int
    state: DoseState
    unit: str
    session: str
    started_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One subject's course as this unit may give it; `day1` None means that nothing was emitted yet."""

    order: str
    subject: str
    day1: date | None
    doses: tuple[PlannedDose, ...]
    history: tuple[HistoryItem, ...]


Leased: TypeAlias = tuple[str, int, int]
"""A dose as leases know it: subject, study day, number in the day."""


def sequences_of(orders: Iterable[Order], kits: Iterable[KnownKit]) -> dict[Leased, int]:
    """Return the newest lease of each dose that a list tells of: the unit's own, and those of other units."""
    own = {(order.subject, dose.day, dose.dose): dose.sequence for order in orders for dose in order.doses}
    others = {(kit.subject, kit.day, kit.dose): kit.sequence for kit in kits if kit.subject and kit.day and kit.dose}
    return {leased: max(own.get(leased, 0), others.get(leased, 0)) for leased in own | others}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """Everything that one unit may give; times are Unix nanoseconds.

    A unit keeps the one with the highest `version` and starts nothing by a list whose `expires_ns` has passed.
    `kits` are all that the site knows, so that a unit can say what is wrong with one; an empty tuple says nothing.
    `identities` are those of all subjects of the site whose wristband is linked. `overtaken` are the doses, each as
    subject, day and dose, of which this unit has seen a later lease than the list's own; nothing is started by those.
    """

    version: int
    issued_ns: int
    expires_ns: int
    study: str
    orders: tuple[Order, ...]
    operators: tuple[Operator, ...]
    kits: tuple[KnownKit, ...] = ()
    identities: tuple[Identity, ...] = ()
    overtaken: frozenset[Leased] = frozenset()

    def order_of(self, subject: str) -> Order | None:
        """Return the subject's order; None means that nothing is leased to this unit for that subject."""
        return next((order for order in self.orders if order.subject == subject), None)

    def operator(self, badge: str) -> Operator | None:
        """Return the person of a badge, a GSRN or a code; None where nobody on the list has it."""
        return find(self.operators, badge)

    def kit(self, name: str) -> KnownKit | None:
        """Return what the pharmacy knows of a kit; None means nothing."""
        return next((kit for kit in self.kits if kit.kit == name), None)

    def knows(self, subject: str) -> bool:
        """Return whether the list names the subject anywhere: by an order, a kit or a linked wristband."""
        named = ({each.subject for each in group} for group in (self.orders, self.kits, self.identities))
        return any(subject in subjects for subjects in named)

    def held_elsewhere(self, subject: str) -> str | None:
        """Return a unit that holds doses of the subject, other than this one; None where there is none."""
        return next((kit.held_by for kit in self.kits if kit.subject == subject and kit.held_by), None)
