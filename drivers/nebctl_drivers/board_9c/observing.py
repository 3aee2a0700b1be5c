"""What the board's readings mean: its output, its on-time, its restarts, and when the driver must end a run.

The board knows no run by name, has no boot counter and counts down in whole seconds, so all three are kept here.
"""

from dataclasses import dataclass, replace

from nebctl.core.device import DeviceReport, EndCause, Output

from .payloads import Runtime, State, Status
from .profile import NS_PER_MS, NS_PER_S, Board9CProfile

WRAP_MS = 1 << 32
RUNNING = frozenset((State.RUN_HOT, State.RUN_COLD, State.PREHEAT))
AT_REST = frozenset((State.READY, State.CONFIGURING, State.DONE, State.FAULT, State.KEEP_WARM))
"""States in which nothing is misted and nothing goes on by itself.

PAUSED is not one: the board resumes by itself when the cover is closed or liquid comes back.
Source: safety_service.c in the makers' repository.
"""
_YOUNG = frozenset((State.BOOT, State.SELF_TEST))
_FRESH = _YOUNG | {State.READY, State.CONFIGURING}
_LIQUID_FAULT, _COVER_FAULT, _HEARTBEAT_FAULT = 9, 10, 13
_LATE_NS = 2 * NS_PER_S
_CLOCK_PERCENT = 2
"""How far the board's clock may be off before its uptime means a restart: planning figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of the board; `at_ns` is the host's monotonic time of its arrival.

    None is what this reading does not tell: STATUS has no `uptime_ms`, `heating` and `maintenance`, RUNTIME no `hot`.
    """

    at_ns: int
    state: State
    remaining_s: int
    fault: int
    mist_fault: int
    heartbeat_ok: bool
    liquid: bool
    cover_closed: bool
    mist_online: bool
    mist_running: bool
    outlet_dc: int
    keep_warm: bool | None
    hot: bool | None = None
    uptime_ms: int | None = None
    heating: bool | None = None
    maintenance: bool | None = None

    @property
    def is_on(self) -> bool:
        """Return whether aerosol may be made now."""
        return self.mist_running or self.state in RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known between readings.

    `run` is the run that was last begun, None before the first; `max_on_ms` its maximum. `on_ns` is how long it was on.
    `last` is the newest reading, None before the first; `moved_ns` is when the board's own time was
    last seen to move on, `uptime_ms` to what, None before the first. `commanded`: it was seen running, and no STOP was
    sent since. `cold`: it was told to be cold and said so. `unseen`: a START went out, or may have before the opening,
    and the mist board was not seen running since, so that its word may be older. `idle_ns` is since when a running
    board does not mist. `ended` is why the run ended, NONE while nobody knows of an end. `boot` rises with every
    restart that is found.
    """

    boot: int = 1
    run: str | None = None
    max_on_ms: int = 0
    on_ns: int = 0
    last: Reading | None = None
    uptime_ms: int | None = None
    moved_ns: int = 0
    commanded: bool = False
    cold: bool = False
    unseen: bool = True
    idle_ns: int | None = None
    ended: EndCause = EndCause.POWER_UP

    @property
    def on_ms(self) -> int:
        """Return the run's on-time in ms."""
        return self.on_ns // NS_PER_MS


def from_status(status: Status, at_ns: int) -> Reading:
    """Return the reading that a STATUS is."""
    return Reading(
        at_ns=at_ns,
        state=status.state,
        remaining_s=status.remaining_s,
        fault=status.fault,
        mist_fault=status.mist_fault,
        heartbeat_ok=status.heartbeat_ok,
        liquid=status.liquid,
        cover_closed=status.cover_closed,
        mist_online=status.mist_online,
        mist_running=status.mist_running,
        outlet_dc=status.outlet_dc,
        keep_warm=status.keep_warm,
        hot=status.hot,
    )


def from_runtime(runtime: Runtime, at_ns: int, *, hot: bool | None) -> Reading:
    """Return the reading that a RUNTIME is; `hot` is the mode by the newest STATUS, None before the first."""
    return Reading(
        at_ns=at_ns,
        state=runtime.state,
        remaining_s=runtime.remaining_s,
        fault=runtime.fault,
        mist_fault=runtime.mist_fault,
        heartbeat_ok=runtime.heartbeat_ok,
        liquid=runtime.liquid,
        cover_closed=runtime.cover_closed,
        mist_online=runtime.mist_online,
        mist_running=runtime.mist_running,
        outlet_dc=runtime.outlet_dc,
        keep_warm=runtime.keep_warm,
        hot=hot,
        uptime_ms=runtime.uptime_ms,
        heating=runtime.heating,
        maintenance=runtime.maintenance,
    )


def begun(observed: Observed, run: str, max_on_ms: int, *, at_ns: int, granted_s: int) -> Observed:
    """Return what is known when a START goes out at `at_ns` that gives `run` so many seconds more on the board's clock.

    From this moment on the time counts, because nobody can tell when in the mist board's reset the mist begins.
    """
    last = observed.last
    return replace(
        observed,
        run=run,
        max_on_ms=max_on_ms,
        on_ns=observed.on_ns if observed.run == run else 0,
        last=replace(last, at_ns=at_ns, state=State.RUN_COLD, remaining_s=granted_s) if last is not None else None,
        commanded=False,
        unseen=True,
        idle_ns=None,
        ended=EndCause.NONE,
    )


def not_begun(observed: Observed, before: Observed) -> Observed:
    """Return what is known when a START was refused after all; `before` is what was known before it."""
    return replace(
        observed,
        run=before.run,
        max_on_ms=before.max_on_ms,
        on_ns=before.on_ns,
        unseen=before.unseen,
        ended=before.ended,
    )


def stopping(observed: Observed) -> Observed:
    """Return what is known when a STOP goes out."""
    return replace(observed, commanded=False)


def stopped(observed: Observed) -> Observed:
    """Return what is known when OFF is proven; a cause that was found before the STOP stays."""
    unknown = observed.ended is EndCause.NONE or observed.run is None
    return replace(observed, unseen=False, ended=EndCause.STOP if unknown else observed.ended)


def observe(observed: Observed, reading: Reading, profile: Board9CProfile) -> Observed:
    """Return what is known after a reading."""
    seen = _note_time(_note_restart(observed, reading), reading)
    counted_ns = _count(observed.last, reading, same_run=seen.boot == observed.boot)
    running = reading.state in RUNNING
    idle = running and not reading.mist_running
    ended = seen.ended if seen.ended is not EndCause.NONE else _own_end(reading, profile)
    return replace(
        seen,
        on_ns=seen.on_ns + counted_ns,
        last=reading,
        commanded=running or (seen.commanded and reading.state not in _FRESH),
        unseen=seen.unseen and not reading.mist_running,
        idle_ns=(reading.at_ns if seen.idle_ns is None else seen.idle_ns) if idle else None,
        ended=ended,
    )


def is_stalled(observed: Observed, reading: Reading, profile: Board9CProfile) -> bool:
    """Return whether the board's own time stands still although it answers: its safety checks then stand still too."""
    return reading.uptime_ms is not None and reading.at_ns - observed.moved_ns > profile.stale_ns


def why_not_off(reading: Reading) -> str:
    """Return what speaks against OFF; empty where the reading proves it."""
    if not reading.mist_online:
        return "the mist board offline, so that nobody knows what it does"
    if reading.mist_running:
        return "the mist board running"
    return "" if reading.state in AT_REST else f"state {reading.state.name}"


def should_end(observed: Observed, reading: Reading, profile: Board9CProfile) -> EndCause:
    """Return why the driver is to end the run by itself with a STOP; NONE where it is not.

    A pause that the board made is ended too: left alone, the board would resume by itself (S23).
    """
    if not reading.is_on and reading.state is not State.PAUSED:
        return EndCause.FAULT if reading.maintenance else EndCause.NONE
    cause = _own_end(reading, profile)
    if cause is not EndCause.NONE:
        return cause
    if reading.state is State.PAUSED or name_trouble(observed, reading, profile) in _ENDING:
        return EndCause.FAULT
    return EndCause.MAX_ON if observed.run is not None and observed.on_ms >= observed.max_on_ms else EndCause.NONE


_ENDING = frozenset(("HEATED", "COVER-OPEN", "MAINTENANCE"))


def name_trouble(observed: Observed, reading: Reading, profile: Board9CProfile) -> str | None:
    """Return the fault that stands, in one word; None where there is none."""
    named = profile.name_fault(reading.fault, reading.mist_fault)
    if named is not None and not is_spent(reading, profile):
        return named
    if reading.maintenance:
        return "MAINTENANCE"
    if reading.is_on and (reading.hot or reading.heating or reading.keep_warm):
        return "HEATED"
    if not reading.cover_closed:
        return "COVER-OPEN"
    idle = observed.idle_ns is not None and reading.at_ns - observed.idle_ns > 2 * profile.mist_poll_ns
    return "NO-MIST" if idle else None


def is_spent(reading: Reading, profile: Board9CProfile) -> bool:
    """Return whether a fault stands whose cause is seen to be gone: liquid is back, the cover closed, the host here.

    The board latches these three until it is told to clear them; of no other fault can the host see that it is over.
    """
    if reading.is_on or reading.mist_fault:
        return False
    gone = {
        _LIQUID_FAULT: reading.liquid or not profile.liquid_byte,
        _COVER_FAULT: reading.cover_closed,
        _HEARTBEAT_FAULT: True,
    }
    return gone.get(reading.fault, False)


def is_dry(reading: Reading, profile: Board9CProfile) -> bool:
    """Return whether the board says that there is no liquid."""
    by_sensor = profile.liquid_byte and not reading.liquid
    return by_sensor or _LIQUID_FAULT in {reading.fault, reading.mist_fault}


def report(observed: Observed, reading: Reading, profile: Board9CProfile) -> DeviceReport:
    """Return the reading in the words that every driver shares."""
    dry = observed.ended is EndCause.DRY or (is_dry(reading, profile) and not is_spent(reading, profile))
    trouble = name_trouble(observed, reading, profile)
    return DeviceReport(
        at_ns=reading.at_ns,
        output=Output.RUNNING if reading.is_on else Output.OFF,
        run=observed.run,
        on_ms=observed.on_ms,
        end=EndCause.NONE if reading.is_on else _said_end(observed),
        boot=observed.boot,
        fault=None if trouble == "LIQUID-EMPTY" else trouble,  # the end of a dose; a later start is judged by `dry`
        dry=dry,
        temp_mc=reading.outlet_dc * 100,
    )


def _said_end(observed: Observed) -> EndCause:
    return EndCause.FAULT if observed.ended is EndCause.NONE else observed.ended


def _own_end(reading: Reading, profile: Board9CProfile) -> EndCause:
    """Return why the board itself ended the run, or is about to; NONE where it did not."""
    if is_dry(reading, profile):
        return EndCause.DRY
    lost = reading.state is State.PAUSED and not reading.heartbeat_ok
    if lost or reading.fault == _HEARTBEAT_FAULT:
        return EndCause.BEAT
    if reading.state is State.DONE:
        return EndCause.MAX_ON
    return EndCause.FAULT if reading.state is State.FAULT else EndCause.NONE


def _count(last: Reading | None, reading: Reading, *, same_run: bool) -> int:
    """Return the on-time between two readings in ns: all of it where it was on at either end, for it may have been.

    Across a gap the board's own countdown bounds it, give or take its second, unless it misted outside a run.
    """
    if last is None or not (last.is_on or reading.is_on):
        return 0
    gap_ns = max(0, reading.at_ns - last.at_ns)
    told = same_run and last.state in RUNNING and (reading.state in RUNNING or not reading.mist_running)
    counted_s = last.remaining_s - reading.remaining_s
    return min(gap_ns, (counted_s + 1) * NS_PER_S) if told and counted_s >= 0 else gap_ns


def _note_restart(observed: Observed, reading: Reading) -> Observed:
    if not (_restarted(observed, reading) or _ran_backwards(observed, reading)):
        return observed
    return replace(
        observed,
        boot=observed.boot + 1,
        commanded=False,
        cold=False,
        uptime_ms=None,
        unseen=False,
        ended=EndCause.POWER_UP,
    )


def _restarted(observed: Observed, reading: Reading) -> bool:
    """Return whether the state gives a restart away: young again, an unstopped run gone, or the mode forgotten."""
    last = observed.last
    if last is not None and reading.state in _YOUNG and last.state not in _YOUNG:
        return True
    return (observed.commanded and reading.state in _FRESH) or (observed.cold and reading.hot is True)


def _ran_backwards(observed: Observed, reading: Reading) -> bool:
    """Return whether the board's uptime is less than it must be by now."""
    if observed.uptime_ms is None or reading.uptime_ms is None or reading.uptime_ms == observed.uptime_ms:
        return False
    gone_ns = max(0, reading.at_ns - observed.moved_ns)
    late_ms = (_LATE_NS + gone_ns * _CLOCK_PERCENT // 100) // NS_PER_MS
    expected = observed.uptime_ms + gone_ns // NS_PER_MS
    if reading.uptime_ms > observed.uptime_ms:
        return expected - reading.uptime_ms > late_ms
    return abs(expected - WRAP_MS - reading.uptime_ms) > late_ms


def _note_time(observed: Observed, reading: Reading) -> Observed:
    if reading.uptime_ms is None or reading.uptime_ms == observed.uptime_ms:
        return observed
    return replace(observed, uptime_ms=reading.uptime_ms, moved_ns=reading.at_ns)
