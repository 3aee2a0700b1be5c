"""What an action is given, and the small changes that actions share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.authorisation import Authorisation
from nebctl.core.effects import ClearAlarms, Effect, RaiseAlarm, StopAerosol
from nebctl.core.instant import Instant
from nebctl.core.session.state import Rules, Session
from nebctl.core.verify import Deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What an action is given: the session as it was, the event (its type is known from the table), time and rules."""

    session: Session
    event: Any
    now: Instant
    rules: Rules

    @property
    def auth(self) -> Authorisation:
        """Return the authorisation.

        Raises: `ValueError` in a state that has none; the table lets no such action happen there.
        """
        if self.session.authorisation is None:
            raise ValueError(f"no authorisation in state {self.session.state.value}")
        return self.session.authorisation


Outcome: TypeAlias = tuple[Session, tuple[Effect, ...]]
Action: TypeAlias = Callable[[Moment], Outcome]

LOST = "the link was lost in mid-dose"


def alarm(condition: Condition) -> tuple[Effect, ...]:
    """Return the effect that raises an alarm."""
    return (RaiseAlarm(condition=condition),)


def over(m: Moment) -> ClearAlarms:
    """Return the effect that clears a session's alarms; what time alone ended, nobody has seen."""
    return ClearAlarms(seen=not isinstance(m.event, ev.Ticked))


def doubted(session: Session, doubt: str) -> Session:
    """Return the session with one more reason for doubt."""
    return session if doubt in session.doubts else replace(session, doubts=(*session.doubts, doubt))


def found(session: Session, *deviations: Deviation) -> Session:
    """Return the session with these findings, each once and in the order in which they came."""
    return replace(session, findings=tuple(dict.fromkeys((*session.findings, *deviations))))


def see_end(m: Moment) -> Outcome:
    """Turn off because the operator saw the end of the dose; whether it is complete, the residual says too (S17)."""
    return replace(m.session, estimate=replace(m.session.estimate, end_seen_by=m.event.operator)), (StopAerosol(),)


def pause_begun(session: Session, m: Moment) -> Session:
    """Return the session at the beginning of a pause."""
    return replace(session, waiting_ns=m.now.mono_ns, long_pause_raised=False)


def ended(session: Session, m: Moment) -> Session:
    """Return the session at the end of its run, waiting for the residual.

    The end is the start plus the time that passed: a step of the wall clock moves neither (S31, S33).
    """
    lasted_ns = m.now.mono_ns - session.started_ns if session.started_ns is not None else 0
    begun_ns = m.now.wall_ns if session.started_wall_ns is None else session.started_wall_ns
    return replace(session, waiting_ns=m.now.mono_ns, ended_wall_ns=begun_ns + max(0, lasted_ns))
