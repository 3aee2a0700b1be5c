"""How far a unit's wall clock may be off: nebctl's own bound, and a person's check where that is too wide (S32)."""

from dataclasses import dataclass, replace

from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.envelope import instant_of
from nebctl.core.ledger.records import Entry

TRUSTED_NS = 60 * NS_PER_S
"""A study day may be told by a clock whose error is bounded below this."""
DRIFT_PPM = 500
"""How fast an undisciplined clock may drift. Source: the kernel's own MAXFREQ, as NTP assumes it (RFC 5905)."""
CHECK_HOLDS_NS = 12 * 3600 * NS_PER_S
CHECK_STEP_NS = NS_PER_S
"""A person's check holds for 12 h of one boot, and ends where the wall clock was moved by more than 1 s since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A moment at which the wall clock was known: how far it was off at most, and its distance from boot time then."""

    boot: str
    mono_ns: int
    offset_ns: int
    error_ns: int = 0

    @classmethod
    def at(cls, now: Instant, error_ns: int = 0) -> "Fix":
        """Return the fix of this moment."""
        return cls(boot=now.boot, mono_ns=now.mono_ns, offset_ns=now.wall_ns - now.mono_ns, error_ns=error_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is known of the clock: its last synchronisation and a person's last check; None where there was none."""

    synchronised: Fix | None = None
    checked: Fix | None = None


def looked(trust: Trust, now: Instant) -> Trust:
    """Return what is known after a look at the clock; one that is synchronised says how far it is off at most."""
    state = now.clock
    if not state.sync:
        return trust
    return replace(trust, synchronised=Fix.at(now, (state.max_error_us or 0) * 1000))


def is_synchronised(entry: Entry) -> bool:
    """Return whether the clock was synchronised when a record was made."""
    clock = entry.payload.get("clk")
    return isinstance(clock, dict) and clock.get("sync") is True


def synchronised_at(entry: Entry) -> Fix | None:
    """Return the synchronisation that a record shows, None where the clock was not synchronised when it was made."""
    return looked(Trust(), instant_of(entry.payload)).synchronised


def checked_at(entry: Entry) -> Fix | None:
    """Return the check by a person that a `clock` record is, None for any other."""
    return Fix.at(instant_of(entry.payload)) if entry.payload.get("reason") == "person-check" else None


def bound_ns(fix: Fix | None, now: Instant) -> int | None:
    """Return how far the wall clock is off at most: the error at the fix, its drift since, and every step since.

    None means that nothing is known: there was no fix in this boot.
    """
    if fix is None or fix.boot != now.boot:
        return None
    drift_ns = (now.mono_ns - fix.mono_ns) * DRIFT_PPM // 1_000_000
    return fix.error_ns + drift_ns + abs(now.wall_ns - now.mono_ns - fix.offset_ns)


def is_trusted(trust: Trust, now: Instant) -> bool:
    """Return whether a study day may be told by the clock now."""
    bound = bound_ns(trust.synchronised, now)
    return (bound is not None and bound < TRUSTED_NS) or _is_checked(trust.checked, now)


def _is_checked(fix: Fix | None, now: Instant) -> bool:
    if fix is None or fix.boot != now.boot:
        return False
    moved_ns = abs(now.wall_ns - now.mono_ns - fix.offset_ns)
    return 0 <= now.mono_ns - fix.mono_ns < CHECK_HOLDS_NS and moved_ns <= CHECK_STEP_NS
