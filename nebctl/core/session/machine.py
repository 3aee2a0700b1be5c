"""One step of a session: what an event means, what the table says of it, what follows."""

from dataclasses import dataclass, replace

from nebctl.core.dose.reading import Reading
from nebctl.core.effects import Effect, StartAerosol, StopAerosol
from nebctl.core.events import Event
from nebctl.core.instant import Instant
from nebctl.core.session.classify import classify
from nebctl.core.session.heard import heard, told_of
from nebctl.core.session.moment import Moment
from nebctl.core.session.sensed import sensed
from nebctl.core.session.state import LIVE, Kind, Rules, Session, State
from nebctl.core.session.table import TABLE


class IllegalEventError(Exception):
    """An event that has no place in the state it met; the session is unchanged."""

    def __init__(self, state: State, kind: Kind) -> None:
        allowed = ", ".join(sorted(kind.value for kind in TABLE[state]))
        super().__init__(f"'{kind.value}' cannot happen in state '{state.value}'; what can: {allowed}")
        self.state = state
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one event: the session afterwards and the effects, in the order in which they are to happen.

    `reading` is what the event told the estimate, for the trace; None where it told nothing.
    """

    session: Session
    effects: tuple[Effect, ...]
    kind: Kind
    reading: Reading | None = None


def step(session: Session, event: Event, now: Instant, rules: Rules) -> Step:
    """Return what the event makes of the session.

    Raises: `IllegalEventError` where the table has no row; nothing has changed then.
    """
    reading = heard(session, event, now)
    told, noticed = _told(session, event, reading, rules)
    kind = classify(told, event, now, rules)
    row = TABLE[session.state].get(kind)
    if row is None:
        raise IllegalEventError(session.state, kind)
    target, action = row
    changed, effects = action(Moment(session=told, event=event, now=now, rules=rules))
    effects = (*effects, *noticed)
    return Step(_dated(replace(changed, state=target), effects, now), effects, kind, reading)


def meaning(session: Session, event: Event, now: Instant, rules: Rules) -> Kind:
    """Return what an event means for this session, once its estimate has been told what the event brings."""
    told, _ = _told(session, event, heard(session, event, now), rules)
    return classify(told, event, now, rules)


def _told(session: Session, event: Event, reading: Reading | None, rules: Rules) -> tuple[Session, tuple[Effect, ...]]:
    """Return the session after what the event brings, to the estimate and of cup and mesh, and the alarms for it."""
    told, noticed = told_of(session, reading, rules)
    felt, found = sensed(told, event)
    return felt, (*noticed, *found)


def _dated(session: Session, effects: tuple[Effect, ...], now: Instant) -> Session:
    """Return the session with the moment of what it asks of the device."""
    if session.state not in LIVE:
        return session
    if any(isinstance(effect, StartAerosol) for effect in effects):
        return replace(session, go_ns=now.mono_ns)
    if any(isinstance(effect, StopAerosol) for effect in effects):
        return replace(session, off_ns=now.mono_ns)
    return session
