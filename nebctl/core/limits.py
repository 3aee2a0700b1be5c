"""Limits of a start that persons may let a dose pass, and the record of who did and why; every other limit is hard."""

from dataclasses import dataclass

from nebctl.core.ledger.records import Draft, Json, SessionDay

EXTRA, TOO_SOON, WINDOW = "extra-dose", "too-soon", "outside-window"
RUN_UNKNOWN = "run-unknown"
"""The nebulizer remembers a run that no record names: one person answers for it, wherever a dose is asked for."""
OVERRIDDEN = frozenset((EXTRA, TOO_SOON))
"""What two persons let pass for a second aliquot on one protocol day: it is also too soon after the first (S02)."""
SOFTENABLE = (TOO_SOON, WINDOW)
"""Limits that a site may declare soft (S05): one person then confirms and gives a reason."""
TWO_PERSONS, SOFT = "two-persons", "soft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One or two persons let a dose pass a limit, for a reason; `second` "" for a soft one."""

    limit: str
    operator: str
    reason: str
    second: str = ""

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes of the refusals that it lifts."""
        return OVERRIDDEN if self.limit == EXTRA else frozenset((self.limit,))

    def record(self, place: SessionDay, subject: str, dose: int, kit: str) -> Draft:
        """Return the signed record of it, which is on disk before anything is authorised."""
        kind = TWO_PERSONS if self.limit == EXTRA else SOFT
        facts: dict[str, Json] = {"limit": self.limit, "kind": kind, "dose": dose, "kit": kit}
        private: dict[str, Json] = {"subject": subject, "operator": self.operator, "text": self.reason}
        if self.second:
            private["second"] = self.second
        return Draft(typ="override", facts=facts, private=private, session=place)

    def of_run(self, device: str, run: str, subject: str, kit: str) -> Draft:
        """Return the signed record that doses may go on with a device, whatever its run was; it is of no session."""
        facts: dict[str, Json] = {"limit": self.limit, "kind": SOFT, "device": device, "run": run, "kit": kit}
        private: dict[str, Json] = {"subject": subject, "operator": self.operator, "text": self.reason}
        return Draft(typ="override", facts=facts, private=private)
