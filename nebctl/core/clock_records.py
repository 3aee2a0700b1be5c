"""When the clock itself is recorded: at the first synchronisation of a boot, at each step, and hourly."""

from dataclasses import dataclass

from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Draft, Json

STEP_NS = NS_PER_S // 10
"""A jump of the wall clock above this is recorded; S32 asks for those above 1 s."""
HOURLY_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSeen:
    """How the clock stood when it was looked at last, and at which synchronised moment a record last told of it.

    `told` None means that no record of this boot pairs its own time with a synchronised clock yet.
    """

    last: Instant
    told: Instant | None

    @classmethod
    def at(cls, now: Instant) -> "ClockSeen":
        """Return what is known at the start of the loop, whose `boot` record pairs both times already."""
        return cls(last=now, told=now if now.clock.sync else None)


def look(seen: ClockSeen, now: Instant) -> tuple[ClockSeen, Draft | None]:
    """Return what is known after another look, and the `clock` record that is due; None where none is."""
    facts = _due(seen, now)
    told = now if facts is not None and now.clock.sync else seen.told
    return ClockSeen(last=now, told=told), None if facts is None else Draft(typ="clock", facts=facts)


def _due(seen: ClockSeen, now: Instant) -> dict[str, Json] | None:
    before = seen.last
    step_ns = (now.wall_ns - before.wall_ns) - (now.mono_ns - before.mono_ns)
    if abs(step_ns) > STEP_NS:
        return {"reason": "step", "step_us": _microseconds(step_ns), "before": utc_text(before.wall_ns)}
    if not now.clock.sync:
        return None
    if seen.told is None:
        return {"reason": "first-sync"}
    return {"reason": "hourly"} if now.mono_ns - seen.told.mono_ns >= HOURLY_NS else None


def _microseconds(step_ns: int) -> int:
    return step_ns // 1000 if step_ns >= 0 else -(-step_ns // 1000)
