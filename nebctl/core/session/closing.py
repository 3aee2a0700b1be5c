"""What is done about people and paper: a shift change, the verdict, the signature."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.effects import Record
from nebctl.core.session import drafts
from nebctl.core.session.moment import Moment, Outcome, over
from nebctl.core.session.state import IDLE


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
    outcome = (drafts.residual(m.auth, event), drafts.dose(m.auth, m.session, residual, m.rules))
    return m.session, (Record(drafts=outcome, trace_of=m.auth.session), over(m))


def sign(m: Moment) -> Outcome:
    """Record the signature and end the session."""
    return IDLE, (Record(drafts=(drafts.signature(m.auth.place, m.event),)),)


def leave(_m: Moment) -> Outcome:
    """End the session unsigned."""
    return IDLE, ()
