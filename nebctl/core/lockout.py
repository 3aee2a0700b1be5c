"""No start after three cycles of alarm, stop and start: a fault that comes again is not to be started away (S25)."""

from dataclasses import dataclass, replace

from nebctl.core.alarms import OF_THE_DOSE, Condition
from nebctl.core.instant import Instant
from nebctl.core.ledger.envelope import instant_of
from nebctl.core.ledger.records import Entry

MOST_CYCLES = 10
"""No site's rules let more cycles pass than this."""
_OF_THE_DOSE = frozenset(condition.value for condition in OF_THE_DOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """Which starts followed an alarm and a stop; times are monotonic nanoseconds.

    `alarmed`: since the last start an alarm of the dose was raised; `stopped`: and then the output was turned off.
    `begun_ns` are the starts that ended such a cycle. `locked_ns` is when the lock-out began, None while there is none.
    """

    alarmed: bool = False
    stopped: bool = False
    begun_ns: tuple[int, ...] = ()
    locked_ns: int | None = None


NO_CYCLES = Cycles()


def alarm_raised(cycles: Cycles) -> Cycles:
    """Return the cycles after an alarm of the dose."""
    return replace(cycles, alarmed=True)


def turned_off(cycles: Cycles) -> Cycles:
    """Return the cycles after the output was turned off or was found off."""
    return replace(cycles, stopped=cycles.stopped or cycles.alarmed)


def start_asked(cycles: Cycles, now: Instant, *, most: int, window_ns: int) -> Cycles:
    """Return the cycles after START or RESUME: the start that would end cycle number `most` in the window locks out."""
    if is_locked(cycles, now, window_ns):
        return cycles
    recent = tuple(at for at in cycles.begun_ns if now.mono_ns - at < window_ns)
    if cycles.stopped:
        recent += (now.mono_ns,)
    locked_ns = now.mono_ns if cycles.stopped and len(recent) >= most else None
    return Cycles(begun_ns=() if locked_ns is not None else recent, locked_ns=locked_ns)


def is_locked(cycles: Cycles, now: Instant, window_ns: int) -> bool:
    """Return whether no start may be made now; a lock-out lasts as long as the window in which its cycles came."""
    return cycles.locked_ns is not None and now.mono_ns - cycles.locked_ns < window_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the log says of cycles, in moments of any boot: as in `Cycles`; `locked` None: no lock-out since a start."""

    alarmed: bool = False
    begun: tuple[Instant, ...] = ()
    locked: Instant | None = None


NOTHING = Recorded()


def followed(told: Recorded, entry: Entry) -> Recorded:
    """Return what the log says after one more record; between an alarm and the next start the output was off."""
    payload = entry.payload
    if payload["typ"] in ("start", "resume"):
        begun = (*told.begun, instant_of(payload))[-MOST_CYCLES:] if told.alarmed else told.begun
        return Recorded(begun=begun)
    if payload["typ"] != "alarm" or payload["state"] != "raised":
        return told
    if payload["condition"] == Condition.LOCKED_OUT.value and told.locked is None:
        return Recorded(locked=instant_of(payload))
    return replace(told, alarmed=told.alarmed or payload["condition"] in _OF_THE_DOSE)


def taken_over(told: Recorded, now: Instant) -> Cycles:
    """Return the cycles as a restart takes them over: it neither ends a lock-out nor forgets what led to it."""
    return Cycles(
        alarmed=told.alarmed,
        stopped=told.alarmed,
        begun_ns=tuple(now.mono_ns - _age_ns(then, now) for then in told.begun),
        locked_ns=None if told.locked is None else now.mono_ns - _age_ns(told.locked, now),
    )


def _age_ns(then: Instant, now: Instant) -> int:
    """Return how long ago a moment was; 0 where a reboot lies between and one of the wall clocks says nothing sure."""
    if then.boot == now.boot:
        return now.mono_ns - then.mono_ns
    return max(0, now.wall_ns - then.wall_ns) if then.clock.sync and now.clock.sync else 0
