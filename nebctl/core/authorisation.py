"""A start authorisation: one person's leave to give one kit to one subject, once, for ten minutes."""

from dataclasses import dataclass

from nebctl.core.ledger.records import Json, SessionDay
from nebctl.core.units import Nanolitres, Vesicles


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """Leave to give one dose, bound to everything that must not change before it is used (S01).

    `auth` is its own random id of 8 hex digits; `dose` counts the doses of the day from 1. `expires_mono_ns` is on the
    monotonic clock of `boot`. `volume_nl` and `content` are what the study protocol prescribes for the dose.
    `not_after_ns` is Unix time in nanoseconds: the end of the pharmacy's lease.
    """

    auth: str
    place: SessionDay
    subject: str
    operator: str
    dose: int
    kit: str
    lot: str
    device: str
    volume_nl: Nanolitres
    content: Vesicles
    expires_mono_ns: int
    boot: str
    not_after_ns: int

    @property
    def session(self) -> str:
        """Return the id of the session that this authorisation is for."""
        return self.place.session

    def facts(self) -> dict[str, Json]:
        """Return the public members that say what was authorised."""
        return {"auth": self.auth, "dose": self.dose, "kit": self.kit, "lot": self.lot}

    def private(self) -> dict[str, Json]:
        """Return the facts that stay outside the log, shown one by one."""
        return {"subject": self.subject, "operator": self.operator}
