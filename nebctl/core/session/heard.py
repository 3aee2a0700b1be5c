"""What an event tells the estimate: the one reading that is both tracked and written into the trace."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.dose.reading import Reading
from nebctl.core.instant import Instant
from nebctl.core.session.state import LIVE, Session, State
from nebctl.core.trace import lost_at, reading_of

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
