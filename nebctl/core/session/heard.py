"""What an event tells the estimate: the one reading that is both tracked and written into the trace."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.dose import Code, track
from nebctl.core.dose.reading import Reading
from nebctl.core.effects import Effect, RaiseAlarm
from nebctl.core.instant import Instant
from nebctl.core.session.moment import found
from nebctl.core.session.state import LIVE, Rules, Session, State
from nebctl.core.thaw import ran_past
from nebctl.core.trace import lost_at, reading_of
from nebctl.core.verify import Deviation

_IN_A_PAUSE = frozenset((State.PAUSING, State.PAUSED, State.RESUME_INTENDED, State.RESUMING))


def heard(session: Session, event: ev.Event, now: Instant) -> Reading | None:
    """Return the reading that an event brings to the session's run, None where it brings none.

    A reading never lies before the last one: an answer that was overtaken counts as just as old. One that says what the
    last one said at the same moment tells nothing; nor does any once the dose is recorded.
    """
    reading, last = _read(session, event, now), session.heard
    if reading is None or last is None:
        return reading
    told = replace(reading, at_ms=max(reading.at_ms, last.at_ms))
    return None if told == last else told


_NOTICED = {
    Code.RATE_LOW: (Condition.RATE_LOW, Deviation.RATE_LOW),
    Code.RATE_HIGH: (Condition.RATE_HIGH, Deviation.RATE_HIGH),
    Code.WEIGHT_STEP: (Condition.CUP_CHANGED, Deviation.CUP_CHANGED),
}


def told_of(session: Session, reading: Reading | None, rules: Rules) -> tuple[Session, tuple[Effect, ...]]:
    """Return the session whose estimate was told the reading, and an alarm for each thing that it newly found (S28)."""
    if reading is None or session.charge is None:
        return session, ()
    before = session.estimate
    estimate = track(before, reading, session.charge, rules.model)
    new = [_NOTICED[code] for code in estimate.found if code not in before.found and code in _NOTICED]
    auth = session.authorisation
    late = auth is not None and ran_past(auth, session.started_wall_ns, reading)
    told = found(session, *(finding for _, finding in new), *((Deviation.IN_USE_TIME,) if late else ()))
    return replace(told, estimate=estimate, heard=reading), tuple(
        RaiseAlarm(condition=condition) for condition, _ in new
    )


def _read(session: Session, event: ev.Event, now: Instant) -> Reading | None:
    if session.started_ns is None or session.state is State.SIGNING:
        return None
    match event:
        case ev.Reported(report=report) if report.run == session.run:
            return reading_of(report, session.started_ns, paused=session.state in _IN_A_PAUSE)
        case ev.LinkLost() if session.state in LIVE:
            return lost_at(now.mono_ns, session.started_ns)
        case _:
            return None
