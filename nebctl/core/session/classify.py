"""What an event means in the state that it meets."""

from nebctl.core import events as ev
from nebctl.core.device import Certainty, DeviceReport, EndCause, Output
from nebctl.core.dose import Code, ran_dry_early
from nebctl.core.instant import Instant
from nebctl.core.session.state import LIVE, Kind, Rules, Session, State

_PLAIN: dict[type[object], Kind] = {
    ev.Authorised: Kind.AUTHORISED,
    ev.Charged: Kind.CHARGED,
    ev.StartPressed: Kind.START,
    ev.PausePressed: Kind.PAUSE,
    ev.ResumePressed: Kind.RESUME,
    ev.StopPressed: Kind.STOP,
    ev.EndSeen: Kind.END_SEEN,
    ev.Abandoned: Kind.ABANDONED,
    ev.IntentRecorded: Kind.INTENT_RECORDED,
    ev.StoreFailed: Kind.STORE_FAILED,
    ev.Gated: Kind.GATED,
    ev.ReportOverdue: Kind.OVERDUE,
    ev.LinkLost: Kind.LINK_LOST,
    ev.LinkBack: Kind.LINK_BACK,
    ev.ResidualGiven: Kind.RESIDUAL_GIVEN,
    ev.ResidualRefused: Kind.RESIDUAL_REFUSED,
    ev.HandedOver: Kind.HANDED_OVER,
    ev.Signed: Kind.SIGNED,
    ev.SignatureDeferred: Kind.DEFERRED,
}
_WAITING_FOR_START = frozenset((State.AUTHORISED, State.CHARGED, State.READY))
_EXPECTS_RUNNING = frozenset((State.STARTING, State.RUNNING, State.RESUMING))
_BY_END = {EndCause.MAX_ON: Kind.SPENT}


def classify(session: Session, event: ev.Event, now: Instant, rules: Rules) -> Kind:
    """Return the kind of `event` for this session; the same event can mean different things in different states."""
    match event:
        case ev.Reported(report=report):
            return _report_kind(session, report)
        case ev.SelfTested(checks=checks):
            return Kind.TEST_PASSED if checks and all(check.good for check in checks) else Kind.TEST_FAILED
        case ev.CommandLost(failure=failure):
            return Kind.NOT_DONE if failure.certainty is Certainty.NOT_DONE else Kind.UNKNOWN
        case ev.Ticked():
            return _tick_kind(session, now, rules)
        case _:
            return _PLAIN[type(event)]


def _is_stale(session: Session, report: DeviceReport) -> bool:
    """Return whether the reading is older than the command whose effect it would speak of."""
    asked_ns = session.go_ns if report.output is Output.OFF else session.off_ns
    return asked_ns is not None and report.at_ns < asked_ns


def _report_kind(session: Session, report: DeviceReport) -> Kind:
    if _is_stale(session, report):
        return Kind.TICK
    ours = session.run is not None and report.run == session.run
    same_boot = session.device is not None and report.boot == session.device.boot
    if report.output is not Output.OFF:
        if session.state not in LIVE or not ours or not same_boot:
            return Kind.UNASKED
        return Kind.CUP_CHANGED if _asks_about_the_cup(session) else Kind.RUNS
    if report.end is EndCause.CUT_OFF:
        return Kind.CUT_OFF
    if session.run is not None and not same_boot:
        return Kind.RESET
    if session.state not in _EXPECTS_RUNNING:
        return Kind.OFF
    if report.end is EndCause.DRY:
        return Kind.DRY_EARLY if ran_dry_early(session.estimate) else Kind.DRY_END
    return _BY_END.get(report.end, Kind.SELF_STOPPED)


def _asks_about_the_cup(session: Session) -> bool:
    """Return whether a running dose is to be turned off for a step of weight or resonance not asked about yet."""
    stepped = Code.WEIGHT_STEP in session.estimate.found and not session.cup_asked
    return (stepped or session.resonance.steps > session.mesh_asked) and session.state is State.RUNNING


def _tick_kind(session: Session, now: Instant, rules: Rules) -> Kind:
    site, state = rules.site, session.state
    if state in _WAITING_FOR_START and session.authorisation is not None:
        stale = now.boot != session.authorisation.boot or now.mono_ns >= session.authorisation.expires_mono_ns
        return Kind.EXPIRED if stale else Kind.TICK
    waited = now.mono_ns - session.waiting_ns if session.waiting_ns is not None else 0
    if state is State.RESIDUAL and waited >= site.residual_wait_ns:
        return Kind.RESIDUAL_LATE
    if state in (State.RUNNING, State.PAUSED) and session.started_ns is not None:
        if now.mono_ns - session.started_ns >= site.max_session_ns:
            return Kind.SESSION_LONG
        if state is State.PAUSED and waited >= site.max_pause_ns and not session.long_pause_raised:
            return Kind.PAUSE_LONG
    return Kind.TICK
