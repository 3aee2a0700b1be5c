"""What a session does when something happens; each action returns what changed and the effects, in order."""

from dataclasses import replace

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.effects import ClearAlarms, Record, StartAerosol, StopAerosol
from nebctl.core.session import drafts
from nebctl.core.session.moment import LOST, Action, Moment, Outcome, alarm, doubted, ended, found, over, pause_begun
from nebctl.core.session.state import IDLE
from nebctl.core.verify import Deviation


def nothing(m: Moment) -> Outcome:
    """Change nothing."""
    return m.session, ()


def authorise(m: Moment) -> Outcome:
    """Begin a session under an authorisation."""
    auth = m.event.authorisation
    return replace(IDLE, authorisation=auth, observers=(auth.operator,)), (
        ClearAlarms(),
        Record(drafts=(drafts.authorisation(auth),)),
    )


def charge(m: Moment) -> Outcome:
    """Take the charge as the interval that the estimate starts from (S49)."""
    session = replace(m.session, charge=m.event.charge, cup=m.event.cup)
    return session, (Record(drafts=(drafts.charge(m.auth, m.event),)),)


def note_test(m: Moment) -> Outcome:
    """Record the self-test, good or not."""
    return m.session, (Record(drafts=(drafts.selftest(m.auth, m.event),)),)


def intend(m: Moment) -> Outcome:
    """Write down the intent to start; nothing else may happen before it is on disk."""
    draft = drafts.start(m.auth, m.event, m.rules.max_on_ms, m.rules.declaration)
    session = replace(
        m.session,
        run=m.event.run,
        device=m.event.device,
        started_ns=m.now.mono_ns,
        started_wall_ns=m.now.wall_ns,
    )
    return session, (Record(drafts=(draft,), intent=True),)


def start(m: Moment) -> Outcome:
    """Ask for aerosol, now that the intent is on disk."""
    session = replace(m.session, start_seq=m.event.seq)
    return session, (StartAerosol(run=m.session.run or "", max_on_ms=m.rules.max_on_ms),)


def go_on(m: Moment) -> Outcome:
    """Ask for aerosol again, now that the intent to resume is on disk."""
    session = replace(m.session, waiting_ns=None, long_pause_raised=False)
    return session, (StartAerosol(run=m.session.run or "", max_on_ms=m.rules.max_on_ms),)


def follow(m: Moment) -> Outcome:
    """Go on while the device runs as it should; the estimate has been told already."""
    return m.session, ()


def abort(reason: str) -> Action:
    """Return the action that ends a session whose device was never commanded."""

    def act(m: Moment) -> Outcome:
        return IDLE, (StopAerosol(), Record(drafts=(drafts.abort(m.auth, reason),)), over(m))

    return act


def gate_start(m: Moment) -> Outcome:
    """End a session whose start the guard refused: the device heard nothing."""
    records = (drafts.refusal(m.auth, m.event), drafts.abort(m.auth, m.event.code))
    return IDLE, (Record(drafts=records), ClearAlarms())


def gate_resume(m: Moment) -> Outcome:
    """Stay paused after the guard refused to resume."""
    return pause_begun(m.session, m), (Record(drafts=(drafts.refusal(m.auth, m.event),)),)


def forget(_m: Moment) -> Outcome:
    """Let go of a session of which no intent reached the disk: the device was never commanded."""
    return IDLE, alarm(Condition.RECORDS_FAIL)


def press_stop(m: Moment) -> Outcome:
    """Turn off, and remember who stopped the dose."""
    source = m.event.source if isinstance(m.event, ev.StopPressed) else "unit"
    return replace(m.session, stopped_by=m.session.stopped_by or source), (StopAerosol(),)


def only_stop(m: Moment) -> Outcome:
    """Turn off; nothing else changes."""
    return m.session, (StopAerosol(),)


def stop_again(m: Moment) -> Outcome:
    """Repeat a STOP that was not confirmed; what the session remembers stays as it is."""
    return m.session, (StopAerosol(), *alarm(Condition.CANNOT_STOP))


def stop_because(condition: Condition, doubt: str | None = None) -> Action:
    """Return the action that turns off with an alarm; `doubt` says why the outcome becomes uncertain, if it does."""

    def act(m: Moment) -> Outcome:
        session = replace(m.session, stopped_by=m.session.stopped_by or f"unit: {condition.value}")
        if doubt:
            session = doubted(session, doubt)
        return session, (StopAerosol(), *alarm(condition))

    return act


def long_session(m: Moment) -> Outcome:
    """Turn off because the session's time is up."""
    return replace(m.session, stopped_by="unit: session time"), (StopAerosol(),)


def press_pause(m: Moment) -> Outcome:
    """Turn off for a pause, and remember why."""
    return replace(m.session, pause_reason=m.event.reason), (StopAerosol(),)


def paused(m: Moment) -> Outcome:
    """Count the pause once the output is off."""
    session = replace(pause_begun(m.session, m), pauses=m.session.pauses + 1)
    return session, (Record(drafts=(drafts.pause(m.auth, session, m.session.pause_reason),)),)


def pause_for_cup(m: Moment) -> Outcome:
    """Turn off because the cup's weight or the mesh's resonance made a step, and ask what happened (S54)."""
    steps = m.session.resonance.steps
    if steps > m.session.mesh_asked:
        return replace(m.session, pause_reason=Condition.MESH_CHANGED.value, mesh_asked=steps), (StopAerosol(),)
    return replace(m.session, pause_reason=Condition.CUP_CHANGED.value, cup_asked=True), (StopAerosol(),)


def pause_with(condition: Condition, *findings: Deviation) -> Action:
    """Return the action for a device that went off by itself with liquid left: ask, and go on only by a person."""

    def act(m: Moment) -> Outcome:
        session = replace(pause_begun(m.session, m), pauses=m.session.pauses + 1)
        session = found(session, *findings)
        record = Record(drafts=(drafts.pause(m.auth, session, condition.value),))
        return session, (StopAerosol(), *alarm(condition), record)

    return act


def not_started(m: Moment) -> Outcome:
    """Pause after a start or resume that certainly was not done: a person may mend it and go on."""
    return pause_begun(m.session, m), (StopAerosol(), *alarm(Condition.NOT_STARTED))


def remind(m: Moment) -> Outcome:
    """Raise the alarm of a long pause, once a pause (S25)."""
    return replace(m.session, long_pause_raised=True), alarm(Condition.PAUSED_LONG)


def intend_resume(m: Moment) -> Outcome:
    """Write down who may go on, and the intent to resume."""
    leave = m.event.authorisation
    both = drafts.authorisation(leave), drafts.resume(leave, m.session)
    return m.session, (Record(drafts=both, intent=True),)


def raise_alarm(condition: Condition) -> Action:
    """Return the action that raises an alarm and changes nothing."""

    def act(m: Moment) -> Outcome:
        return m.session, alarm(condition)

    return act


def unasked(m: Moment) -> Outcome:
    """Turn off a device that runs although it must not; a dose under way becomes uncertain (S26)."""
    session = m.session
    if session.charge is not None:  # what the cup lost then, nobody measured
        session = doubted(session, "the device ran unasked")
    return session, (StopAerosol(), *alarm(Condition.RUNS_UNASKED))


def still_runs(m: Moment) -> Outcome:
    """Repeat STOP to a device that still runs."""
    return m.session, (StopAerosol(), *alarm(Condition.CANNOT_STOP))


def end(m: Moment) -> Outcome:
    """Ask for the residual, now that the output is off."""
    return ended(m.session, m), ()


def end_spent(m: Moment) -> Outcome:
    """End a run that used up its on-time without running dry."""
    session = replace(ended(m.session, m), stopped_by=m.session.stopped_by or "device: maximum on-time")
    return session, alarm(Condition.STOPPED_ITSELF)


def end_reset(m: Moment) -> Outcome:
    """End a run whose device restarted: what it emitted since the last reading is not known."""
    session = doubted(ended(m.session, m), "the device restarted in mid-dose")
    return session, (StopAerosol(), *alarm(Condition.DEVICE_RESTARTED))


def end_reset_paused(m: Moment) -> Outcome:
    """End a paused run whose device restarted: it was off and stays off, but its run cannot go on."""
    session = replace(ended(m.session, m), stopped_by=m.session.stopped_by or "device: restarted in a pause")
    return session, (StopAerosol(), *alarm(Condition.DEVICE_RESTARTED))


def lose(m: Moment) -> Outcome:
    """Keep asking for OFF on a wire that is gone; the outcome is uncertain from here on (S16)."""
    session = doubted(m.session, LOST)
    return session, (StopAerosol(), *alarm(Condition.LINK_LOST))


def find_again(m: Moment) -> Outcome:
    """End the dose after the link came back: the device is off, and nothing resumes by itself (S23)."""
    last = m.event.last
    told = last.on_ms if last is not None and last.run == m.session.run else None
    session = doubted(ended(m.session, m), LOST)
    return replace(session, last_device_ms=told), ()


def abandon(m: Moment) -> Outcome:
    """End the dose because a person switched the device off by hand."""
    session = doubted(ended(m.session, m), "the device was switched off by hand")
    return replace(session, stopped_by=session.stopped_by or "operator: device switch"), (StopAerosol(),)
