"""The transition table: laws that every row keeps, whatever the row is for."""

from collections import deque
from typing import Any

import pytest

from nebctl.core.effects import Effect, Record, StartAerosol, StopAerosol
from nebctl.core.session import IDLE, LIVE, IllegalEventError, Kind, Session, State, step
from nebctl.core.session.actions import nothing
from nebctl.core.session.machine import meaning
from nebctl.core.session.moment import Moment
from nebctl.core.session.table import TABLE

ROWS = [(state, kind) for state, rows in TABLE.items() for kind in rows]
TOWARDS_RUNNING = {State.INTENDED, State.STARTING, State.RUNNING, State.RESUME_INTENDED, State.RESUMING}
PRESSES = {Kind.START, Kind.RESUME}


def act(bench: Any, state: State, kind: Kind) -> tuple[Session, tuple[Effect, ...]]:
    """Return what the row's action makes of a session in that state."""
    event, now = bench.event(kind)
    moment = Moment(session=bench.session(state), event=event, now=now, rules=bench.rules)
    return TABLE[state][kind][1](moment)


def recorded(effects: tuple[Effect, ...]) -> list[str]:
    """Return the types of the records that the effects ask for."""
    return [draft.typ for effect in effects if isinstance(effect, Record) for draft in effect.drafts]


def reachable(begin: State) -> set[State]:
    """Return every state that a session can come to from one state before it ends."""
    seen, waiting = {begin}, deque([begin])
    while waiting:
        state = waiting.popleft()
        for target, _ in TABLE[state].values():
            if target not in seen and target is not State.IDLE:
                seen.add(target)
                waiting.append(target)
    return seen


def test_every_state_has_its_rows() -> None:
    """The table speaks of every state, and of every kind of event in at least one of them."""
    assert set(TABLE) == set(State)
    assert {kind for _, kind in ROWS} == set(Kind)


@pytest.mark.parametrize("state", State)
@pytest.mark.req("S20")
@pytest.mark.req("S21")
def test_stop_is_taken_in_every_state(bench: Any, state: State) -> None:
    """STOP asks for OFF in every state and leads no session towards running."""
    target, _ = TABLE[state][Kind.STOP]
    _, effects = act(bench, state, Kind.STOP)
    assert any(isinstance(effect, StopAerosol) for effect in effects)
    assert not any(isinstance(effect, StartAerosol) for effect in effects)
    assert target not in TOWARDS_RUNNING


@pytest.mark.parametrize("state", State)
@pytest.mark.req("S23")
def test_a_stopped_session_never_runs_again(bench: Any, state: State) -> None:
    """From where STOP leads, no chain of events starts aerosol again within the session; a start that was not yet
    commanded can only end.
    """
    target, _ = TABLE[state][Kind.STOP]
    if target is not State.IDLE:
        assert not reachable(target) & TOWARDS_RUNNING


@pytest.mark.parametrize("state", State)
@pytest.mark.req("S13")
@pytest.mark.req("S18")
def test_aerosol_is_asked_for_by_a_recorded_intent_alone(bench: Any, state: State) -> None:
    """Only the news that an intent is on disk asks for aerosol, never together with writing one; only a press writes
    one; so a failed, unresolved or lost command can never send a start again.
    """
    for kind in TABLE[state]:
        _, effects = act(bench, state, kind)
        starts = [effect for effect in effects if isinstance(effect, StartAerosol)]
        intents = [effect for effect in effects if isinstance(effect, Record) and effect.intent]
        assert bool(starts) == (
            kind is Kind.INTENT_RECORDED and TABLE[state][kind][0] in (State.STARTING, State.RESUMING)
        )
        assert bool(intents) == (kind in PRESSES)
        assert not (starts and intents)
        written = {Kind.START: ["start"], Kind.RESUME: ["authorisation", "resume"]}
        assert all(recorded((intent,)) == written[kind] for intent in intents)


@pytest.mark.parametrize("state", State)
def test_a_row_keeps_what_a_state_promises(bench: Any, state: State) -> None:
    """Each row leaves a session that has what its state needs: an authorisation, a charge, a run, an end."""
    for kind in TABLE[state]:
        session, _ = act(bench, state, kind)
        target = TABLE[state][kind][0]
        assert (session.authorisation is None) == (target is State.IDLE)
        before_charge = {State.IDLE, State.AUTHORISED}
        before_run = {*before_charge, State.CHARGED, State.READY}
        assert target in before_charge or session.charge is not None
        assert (session.run is None) == (target in before_run)
        commanded = {*LIVE, State.PAUSED, State.RESUME_INTENDED, State.RESIDUAL, State.SIGNING}
        assert (session.start_seq is not None) == (target in commanded)
        if target is State.RESIDUAL and state is not State.RESIDUAL:
            assert session.ended_wall_ns is not None
            assert session.waiting_ns is not None


@pytest.mark.parametrize("state", State)
def test_an_illegal_event_changes_nothing(bench: Any, state: State) -> None:
    """An event without a row raises, names state and event, and leaves the session as it was."""
    session, tried = bench.session(state), 0
    for kind in Kind:
        event, now = bench.event(kind)
        meant = meaning(session, event, now, bench.rules)
        if meant not in TABLE[state]:
            tried += 1
            with pytest.raises(IllegalEventError, match=f"'{meant.value}' .* '{state.value}'") as refusal:
                step(session, event, now, bench.rules)
            assert (refusal.value.state, refusal.value.kind) == (state, meant)
            assert session == bench.session(state)
    assert tried > 5


@pytest.mark.parametrize("state", State)
def test_no_row_is_dead(bench: Any, state: State) -> None:
    """Every row that does something can be reached: some event means that kind in that state."""
    for kind in TABLE[state]:
        event, now = bench.event(kind)
        if TABLE[state][kind][1] is not nothing:
            assert meaning(bench.session(state), event, now, bench.rules) is kind


@pytest.mark.parametrize("state", State)
def test_a_session_that_ends_leaves_its_record(bench: Any, state: State) -> None:
    """A session that may have commanded its device leaves by a dose record; one that did not, by an abort, unless the
    disk took nothing at all.
    """
    for kind in TABLE[state]:
        target, _ = TABLE[state][kind]
        types = recorded(act(bench, state, kind)[1])
        assert ("dose" in types) == (state is State.RESIDUAL and target is State.SIGNING)
        if target is State.IDLE and state is not State.IDLE:
            forgets = kind is Kind.STORE_FAILED
            assert ("abort" in types) == (state is not State.SIGNING and not forgets)
            assert state not in LIVE or kind is Kind.GATED


@pytest.mark.parametrize("kind", [Kind.RESIDUAL_GIVEN, Kind.RESIDUAL_REFUSED, Kind.RESIDUAL_LATE])
@pytest.mark.req("S29")
def test_the_residual_stands_before_the_dose(bench: Any, kind: Kind) -> None:
    """Residual, or its refusal, and outcome are one transaction, in that order."""
    _, effects = act(bench, State.RESIDUAL, kind)
    (record,) = [effect for effect in effects if isinstance(effect, Record)]
    assert [draft.typ for draft in record.drafts] == ["residual", "dose"]
    assert record.drafts[0].facts["refused"] == (kind is not Kind.RESIDUAL_GIVEN)


@pytest.mark.parametrize("state", State)
@pytest.mark.req("S26")
def test_what_runs_unasked_is_turned_off(bench: Any, state: State) -> None:
    """In every state a device that runs unasked is told STOP, and a charged cup that it ran with stays in doubt."""
    session, effects = act(bench, state, Kind.UNASKED)
    assert any(isinstance(effect, StopAerosol) for effect in effects)
    assert bool(session.doubts) == (session.charge is not None)


def test_a_session_ends_as_it_began() -> None:
    """The idle session remembers nothing of the one before."""
    assert Session() == IDLE
