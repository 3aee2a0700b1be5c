"""The time from thaw to use of a kit: when it ends, and whether a dose can still be finished in it (S11)."""

from nebctl.core.authorisation import Authorisation
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_MS, Instant
from nebctl.core.leases import PlannedDose
from nebctl.core.regimen import SiteRules
from nebctl.core.units import WHOLE_PPM


def thawed_too_long(planned: PlannedDose, rules: SiteRules, now: Instant) -> Refusal | None:
    """Refuse a kit that would pass its time from thaw to use in mid-dose; the longest on-time is the duration."""
    if rules.in_use_ns is None:
        return None
    use_by_ns = use_by(planned, rules)
    if use_by_ns is None:
        return _no("thaw-unknown", f"It is not known when kit {planned.kit} was thawed. Call the pharmacy.")
    needed_ns = rules.max_on_ns * rules.in_use_margin_ppm // WHOLE_PPM
    if now.wall_ns + needed_ns <= use_by_ns:
        return None
    return _no("in-use-over", f"Kit {planned.kit} was thawed too long ago to finish a dose in time. Call the pharmacy.")


def use_by(planned: PlannedDose, rules: SiteRules) -> int | None:
    """Return when the kit's time from thaw to use ends, in Unix nanoseconds; None: no such time, or no thaw known."""
    if rules.in_use_ns is None or planned.thawed_at_ns is None:
        return None
    end_ns = planned.thawed_at_ns + rules.in_use_ns
    return end_ns if planned.use_by_ns is None else min(end_ns, planned.use_by_ns)


def ran_past(auth: Authorisation, started_wall_ns: int | None, reading: Reading) -> bool:
    """Return whether aerosol was made when the kit's time from thaw to use had passed: a deviation and no stop (S11).

    The start and the time since then say when a reading was made: a step of the wall clock changes nothing.
    """
    if auth.use_by_ns is None or started_wall_ns is None or reading.doing is not Doing.RUNNING:
        return False
    return started_wall_ns + reading.at_ms * NS_PER_MS >= auth.use_by_ns


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
