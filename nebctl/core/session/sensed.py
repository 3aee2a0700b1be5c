"""What a report says of the cup and the mesh themselves: taken off, or no longer the mesh that it was (S54)."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import DeviceReport
from nebctl.core.effects import Effect, RaiseAlarm
from nebctl.core.resonance import listen
from nebctl.core.session.moment import doubted, found
from nebctl.core.session.state import LIVE, Session, State
from nebctl.core.verify import Deviation

ANOTHER_MESH = "the mesh answers at another resonance: it may be another one"
_BEGUN = LIVE | {State.PAUSED, State.RESUME_INTENDED}
_RUNS = frozenset((State.STARTING, State.RUNNING, State.RESUMING))
_OFF_WORDS = ("CUP", "COVER")
"""How drivers name a cup that is not there, or may be taken out: `CUP`, `NO_CUP`, `COVER-OPEN`."""


def sensed(session: Session, event: ev.Event) -> tuple[Session, tuple[Effect, ...]]:
    """Return the session of a begun dose after a report on cup and mesh, with an alarm for each thing newly found."""
    if not isinstance(event, ev.Reported) or session.state not in _BEGUN:
        return session, ()
    looked, off = _look_for_the_cup(session, event.report)
    heard, other = _listen_to_the_mesh(looked, event.report)
    return heard, (*off, *other)


def _look_for_the_cup(session: Session, report: DeviceReport) -> tuple[Session, tuple[Effect, ...]]:
    """Ask once each time that the cup is found away; a person says whether it was put back as it was."""
    off = report.fault is not None and any(word in report.fault for word in _OFF_WORDS)
    if off is session.cup_off:
        return session, ()
    session = replace(session, cup_off=off)
    if not off:
        return session, ()
    return found(session, Deviation.CUP_CHANGED), (RaiseAlarm(condition=Condition.CUP_OFF),)


def _listen_to_the_mesh(session: Session, report: DeviceReport) -> tuple[Session, tuple[Effect, ...]]:
    """Doubt a dose in whose middle the mesh steps to another resonance: nobody knows the rate of another mesh."""
    if session.state not in _RUNS or report.run != session.run:
        return session, ()
    known = listen(session.resonance, report)
    if known == session.resonance:
        return session, ()
    stepped, session = known.steps > session.resonance.steps, replace(session, resonance=known)
    if not stepped:
        return session, ()
    session = doubted(found(session, Deviation.MESH_CHANGED), ANOTHER_MESH)
    return session, (RaiseAlarm(condition=Condition.MESH_CHANGED),)
