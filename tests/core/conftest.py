"""One dose in the core's own words: rules, authorisation, charge, reports, and a session in each state."""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, EndCause, Identity, Output
from nebctl.core.dose import (
    NOTHING,
    Charge,
    DeviceModel,
    Doing,
    DoseEstimate,
    Interval,
    Method,
    Reading,
    Residual,
    track,
)
from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.ledger.records import SessionDay
from nebctl.core.regimen import SiteRules
from nebctl.core.session import IDLE, Kind, Rules, Session, State
from nebctl.core.verify import Limits

WALL_NS = 1_771_081_200_000_000_000  # 2026-02-14, 15:00 UTC
BEGAN_S = 1_000
RUN = "0badcafe"
MODEL = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=30_000, calibrated=True)
DECLARATION = Declaration(keeps_s14=True, host_loss_off_ms=2000, max_on_in_device=True, senses=("dry",))
LIMITS = Limits(lower_nl=2_700_000, upper_nl=3_150_000)
WHOLE_S, EARLY_S = 460, 60


@dataclass(frozen=True)
class Bench:
    """Builders for everything that a session meets; times are seconds of the monotonic clock."""

    rules: Rules = field(
        default_factory=lambda: Rules(limits=LIMITS, site=SiteRules(), model=MODEL, declaration=DECLARATION)
    )

    def now(self, at_s: float = BEGAN_S, boot: str = "b007") -> Instant:
        """Return a moment."""
        ns = int(at_s * NS_PER_S)
        return Instant(mono_ns=ns, wall_ns=WALL_NS + ns, boot=boot, clock=ClockState(sync=True, source="sim", scale=1))

    def identity(self, boot: int = 7) -> Identity:
        """Return who answers on the port."""
        return Identity(
            maker="nebctl",
            model="mesh-sim",
            serial="SIM-0001",
            firmware="0.1.0",
            protocol="0.1.0",
            boot=boot,
            max_on_ms=1_800_000,
            simulated=True,
        )

    def authorisation(self, **changes: Any) -> Authorisation:
        """Return leave to give MEX-001 the first dose of Day 1."""
        auth = Authorisation(
            auth="a0a0a0a0",
            place=SessionDay(session="2026-02-14-7f3a9c", day=1, tz="America/Mexico_City", date_local="2026-02-14"),
            subject="MEX-001",
            operator="RT-07",
            dose=1,
            kit="KIT-0401",
            lot="EXO2020A",
            device="SIM-0001",
            volume_nl=3_000_000,
            content=200_000_000,
            expires_mono_ns=(BEGAN_S + 600) * NS_PER_S,
            boot="b007",
            not_after_ns=WALL_NS + 86_400 * NS_PER_S,
        )
        return replace(auth, **changes)

    def leave(self, **changes: Any) -> Authorisation:
        """Return leave to go on with that dose."""
        leave = self.authorisation().to_resume(4, "b0b0b0b0", "RT-07", (BEGAN_S + 600) * NS_PER_S)
        return replace(leave, **changes)

    def charge(self, low: int = 2_910_000, best: int = 3_000_000, high: int = 3_090_000) -> Charge:
        """Return a declared 3 mL with 3 % to each side."""
        volume = Interval(low_nl=low, best_nl=best, high_nl=high)
        return Charge(volume=volume, method=Method.DECLARED, vial_emptied=True)

    def residual(self, best: int = 100_000, spread: int = 20_000) -> Residual:
        """Return a drawn residual."""
        volume = Interval(low_nl=max(0, best - spread), best_nl=best, high_nl=best + spread)
        return Residual(volume=volume, method=Method.DRAWN)

    def report(self, output: Output = Output.RUNNING, end: EndCause = EndCause.NONE, **changes: Any) -> DeviceReport:
        """Return a reading of the session's own run."""
        reading = DeviceReport(at_ns=BEGAN_S * NS_PER_S, output=output, run=RUN, on_ms=0, end=end, boot=7, dry=False)
        return replace(reading, **changes)

    def alike(self, estimate: DoseEstimate) -> DoseEstimate:
        """Return an estimate that stands for all those that a session treats alike."""
        ms = 0 if not estimate.exposure.starts else (WHOLE_S if estimate.on_ms > 2 * EARLY_S * 1000 else EARLY_S) * 1000
        stands = _ran(self.rules.model, self.charge(), ms, dry=estimate.dry and ms > 0)
        if not estimate.dry and estimate.exposure.doing is not stands.exposure.doing:
            reading = Reading(at_ms=ms, doing=estimate.exposure.doing)
            stands = track(stands, reading, self.charge(), self.rules.model)
        return replace(stands, end_seen_by=estimate.end_seen_by)

    def failure(self, certainty: Certainty) -> CommandFailed:
        """Return a command that failed."""
        return CommandFailed(command="STOP", certainty=certainty, seen="silence", expected="an answer", advice="Look.")

    def session(self, state: State) -> Session:
        """Return a session as it is in a state, with everything that such a session remembers."""
        if state is State.IDLE:
            return IDLE
        session = replace(IDLE, state=state, authorisation=self.authorisation(), observers=("RT-07",))
        if state is State.AUTHORISED:
            return session
        session = replace(session, charge=self.charge(), cup="CUP-1")
        if state in (State.CHARGED, State.READY):
            return session
        at_ns = BEGAN_S * NS_PER_S
        session = replace(session, run=RUN, device=self.identity(), started_ns=at_ns, started_wall_ns=WALL_NS)
        if state in (State.INTENDED, State.ABORTING):
            return session
        return replace(
            session,
            start_seq=4,
            waiting_ns=at_ns,
            estimate=_about_to_step(self.rules.model, self.charge(), EARLY_S * 1000),
        )

    def ran(self, seconds: float, *, dry: bool = False) -> DoseEstimate:
        """Return the estimate of a run of so many seconds; a dry device went off by itself at their end."""
        return _ran(self.rules.model, self.charge(), round(seconds * 1000), dry=dry)

    def event(self, kind: Kind) -> tuple[ev.Event, Instant]:
        """Return an event that means `kind` where a state knows it, and when it happens."""
        if kind in _LATER_S:
            return ev.Ticked(), self.now(BEGAN_S + _LATER_S[kind])
        return self._plain(kind), self.now()

    def _plain(self, kind: Kind) -> ev.Event:
        plain: dict[Kind, ev.Event] = {
            Kind.AUTHORISED: ev.Authorised(authorisation=self.authorisation()),
            Kind.CHARGED: ev.Charged(charge=self.charge(), cup="CUP-1"),
            Kind.TEST_PASSED: ev.SelfTested(checks=(ev.Check(name="clock", good=True, note="trusted"),)),
            Kind.TEST_FAILED: ev.SelfTested(checks=(ev.Check(name="clock", good=False, note="not synchronised"),)),
            Kind.START: ev.StartPressed(auth="a0a0a0a0", run=RUN, device=self.identity()),
            Kind.INTENT_RECORDED: ev.IntentRecorded(seq=5),
            Kind.GATED: ev.Gated(code="lease-ended", sentence="The lease has ended."),
            Kind.NOT_DONE: ev.CommandLost(failure=self.failure(Certainty.NOT_DONE)),
            Kind.UNKNOWN: ev.CommandLost(failure=self.failure(Certainty.UNKNOWN)),
            Kind.PAUSE: ev.PausePressed(reason="cough"),
            Kind.RESUME: ev.ResumePressed(authorisation=self.leave()),
            Kind.STOP: ev.StopPressed(source="page"),
            Kind.END_SEEN: ev.EndSeen(operator="RT-07"),
            Kind.OVERDUE: ev.ReportOverdue(seconds=5),
            Kind.LINK_LOST: ev.LinkLost(sentence="the wire is gone"),
            Kind.LINK_BACK: ev.LinkBack(device=self.identity(), last=None),
            Kind.ABANDONED: ev.Abandoned(operator="RT-07"),
            Kind.STORE_FAILED: ev.StoreFailed(sentence="the disk is full"),
            Kind.RESIDUAL_GIVEN: ev.ResidualGiven(residual=self.residual(), operator="RT-07"),
            Kind.RESIDUAL_REFUSED: ev.ResidualRefused(reason="cup dropped", operator="RT-07"),
            Kind.HANDED_OVER: ev.HandedOver(operator="RT-08"),
            Kind.SIGNED: ev.Signed(operator="RT-07", printed="R. T.", meaning="given", ref_seq=9, ref_leaf="00" * 32),
            Kind.DEFERRED: ev.SignatureDeferred(),
            Kind.TICK: ev.Ticked(),
        }
        return plain.get(kind) or ev.Reported(report=self._reading(kind))

    def _reading(self, kind: Kind) -> DeviceReport:
        match kind:
            case Kind.RUNS:
                return self.report()
            case Kind.CUP_CHANGED:
                at_ms = EARLY_S * 1000 + 400
                weight_ug = _weight_ug(self.rules.model, at_ms, spilled=True)
                return self.report(at_ns=BEGAN_S * NS_PER_S + at_ms * 1_000_000, weight_ug=weight_ug)
            case Kind.UNASKED:
                return self.report(run="deadbeef")
            case Kind.RESET:
                return self.report(Output.OFF, EndCause.POWER_UP, boot=8)
            case Kind.DRY_END:
                return self.report(Output.OFF, EndCause.DRY, dry=True, at_ns=(BEGAN_S + WHOLE_S) * NS_PER_S)
            case Kind.DRY_EARLY:
                return self.report(Output.OFF, EndCause.DRY, dry=True, at_ns=(BEGAN_S + EARLY_S) * NS_PER_S)
        ends = {
            Kind.CUT_OFF: EndCause.CUT_OFF,
            Kind.SPENT: EndCause.MAX_ON,
            Kind.SELF_STOPPED: EndCause.FAULT,
            Kind.OFF: EndCause.STOP,
        }
        return self.report(Output.OFF, ends[kind])


SPILLED_UG = 1_000_000


@cache
def _ran(model: DeviceModel, charge: Charge, ms: int, *, dry: bool) -> DoseEstimate:
    estimate = NOTHING
    for at_ms in range(200, ms + 1, 200):
        estimate = track(estimate, Reading(at_ms=at_ms, doing=Doing.RUNNING), charge, model)
    return track(estimate, Reading(at_ms=ms, doing=Doing.OFF, dry=True), charge, model) if dry else estimate


@cache
def _about_to_step(model: DeviceModel, charge: Charge, ms: int) -> DoseEstimate:
    """Return the estimate of a weighed run whose cup became lighter a moment ago, which is not believed yet."""
    estimate = NOTHING
    for at_ms in range(200, ms + 1, 200):
        weight_ug = _weight_ug(model, at_ms, spilled=at_ms > ms - 2_400)
        estimate = track(estimate, Reading(at_ms=at_ms, doing=Doing.RUNNING, weight_ug=weight_ug), charge, model)
    return estimate


def _weight_ug(model: DeviceModel, at_ms: int, *, spilled: bool) -> int:
    return 30_000_000 - model.rate_nl_per_s * at_ms // 1000 - (SPILLED_UG if spilled else 0)


_LATER_S = {Kind.EXPIRED: 600, Kind.PAUSE_LONG: 300, Kind.SESSION_LONG: 1800, Kind.RESIDUAL_LATE: 1800}


@pytest.fixture(scope="session")
def bench() -> Bench:
    """Return the builders."""
    return Bench()
