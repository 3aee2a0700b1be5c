"""What is done about people and paper: a shift change, the verdict, the signature."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.dose import Interval
from nebctl.core.effects import Record
from nebctl.core.session import drafts
from nebctl.core.session.moment import Moment, Outcome, doubted, found, over
from nebctl.core.session.state import IDLE, Session
from nebctl.core.verify import Deviation

ADDED = "liquid was added to the cup in mid-dose"


def hand_over(m: Moment) -> Outcome:
    """Let another person answer from here on; nothing is asked of the device."""
    session = replace(m.session, observers=(*m.session.observers, m.event.operator))
    return session, (Record(drafts=(drafts.handover(m.auth, m.session, m.event.operator),)),)


def settle(m: Moment) -> Outcome:
    """Judge the dose by the residual, or by its recorded refusal, and record the outcome."""
    event = m.event
    if isinstance(event, ev.Ticked):
        event = ev.ResidualRefused(reason="not given in time", operator="")
    residual = event.residual if isinstance(event, ev.ResidualGiven) else None
    session = _topped_up(m.session, event.added)
    outcome = (drafts.residual(m.auth, event), drafts.dose(m.auth, session, residual, m.rules))
    return session, (Record(drafts=outcome, trace_of=m.auth.session), over(m))


def _topped_up(session: Session, added: Interval | None) -> Session:
    """Return the session after a person said what came into its cup in mid-dose: it is uncertain from then on (S54)."""
    if added is None:
        return session
    return doubted(found(replace(session, topped_up=added), Deviation.CUP_CHANGED), ADDED)


def sign(m: Moment) -> Outcome:
    """Record the signature and end the session."""
    return IDLE, (Record(drafts=(drafts.signature(m.auth.place, m.event),)),)


def leave(_m: Moment) -> Outcome:
    """End the session unsigned."""
    return IDLE, ()
