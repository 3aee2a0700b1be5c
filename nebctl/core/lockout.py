"""No start after three cycles of alarm, stop and start: a fault that comes again is not to be started away (S25)."""

from dataclasses import dataclass, replace

from nebctl.core.instant import Instant


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
