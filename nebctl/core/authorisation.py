"""An authorisation: one person's leave to give one kit to one subject, or to go on with it, once, for ten minutes."""

from dataclasses import dataclass, replace

from nebctl.core.ledger.records import Json, SessionDay
from nebctl.core.units import Nanolitres, Vesicles


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """Leave to start one dose, or to resume it, bound to everything that must not change before it is used (S01, S03).

    `auth` is its own random id of 8 hex digits; `dose` counts the doses of the day from 1. `expires_mono_ns` is on the
    monotonic clock of `boot`. `volume_nl` and `content` are what the study protocol prescribes for the dose.
    `not_after_ns` is Unix time in nanoseconds: the end of the pharmacy's lease; `use_by_ns` that of the kit's time from
    thaw to use, None where there is none. `resumes` is the place in the log of the start that a resume goes on with;
    None means that this is leave to start.
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
    use_by_ns: int | None = None
    resumes: int | None = None

    @property
    def session(self) -> str:
        """Return the id of the session that this authorisation is for."""
        return self.place.session

    def to_resume(self, start_seq: int, auth: str, operator: str, expires_mono_ns: int) -> "Authorisation":
        """Return leave of its own for one person to go on with the session that was started at `start_seq`."""
        return replace(self, auth=auth, operator=operator, expires_mono_ns=expires_mono_ns, resumes=start_seq)

    def is_same_dose(self, other: "Authorisation") -> bool:
        """Return whether both are for the same session, subject, day, dose, kit, lot and device."""
        return _dose(self) == _dose(other)

    def facts(self) -> dict[str, Json]:
        """Return the public members that say what was authorised."""
        return {"auth": self.auth, "dose": self.dose, "kit": self.kit, "lot": self.lot}

    def private(self) -> dict[str, Json]:
        """Return the facts that stay outside the log, shown one by one."""
        return {"subject": self.subject, "operator": self.operator}


def _dose(auth: Authorisation) -> tuple[object, ...]:
    return auth.place, auth.subject, auth.dose, auth.kit, auth.lot, auth.device, auth.volume_nl, auth.boot
