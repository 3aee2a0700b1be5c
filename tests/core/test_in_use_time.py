"""A dose that runs past its kit's time from thaw to use: a deviation on record, and nothing is stopped."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.device import EndCause, Output
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.effects import StopAerosol
from nebctl.core.events import Reported, ResidualGiven
from nebctl.core.given import OpenSession
from nebctl.core.instant import NS_PER_S
from nebctl.core.recovery import recover
from nebctl.core.regimen import Regimen
from nebctl.core.session import Session, State, drafts, step
from nebctl.core.thaw import ran_past
from nebctl.core.trace import line, reading_of

ENDS_S = 100


def begun(bench: Any) -> Session:
    """Return a dose just begun whose kit may be used for 100 s more."""
    session: Session = replace(bench.session(State.RUNNING), estimate=bench.ran(0), waiting_ns=None)
    assert session.started_wall_ns is not None
    leave = bench.authorisation(use_by_ns=session.started_wall_ns + ENDS_S * NS_PER_S)
    return replace(session, authorisation=leave)


def ran(bench: Any, session: Session, until_s: int) -> tuple[Session, list[object]]:
    """Return the session, and every effect, after it ran from its start for so long by two readings a second."""
    effects: list[object] = []
    for half in range(1, until_s * 2 + 1):
        at_ns = session.started_ns + half * NS_PER_S // 2 if session.started_ns else 0
        taken = step(session, Reported(report=bench.report(at_ns=at_ns)), bench.now(), bench.rules)
        session, effects = taken.session, [*effects, *taken.effects]
    return session, effects


def deviations(bench: Any, session: Session) -> list[str]:
    """Return the deviations of the dose's record, after STOP and a measured residual."""
    assert session.authorisation is not None
    off = bench.report(Output.OFF, EndCause.STOP, at_ns=10_000 * NS_PER_S)
    ended = step(replace(session, state=State.STOPPING), Reported(report=off), bench.now(), bench.rules).session
    given = ResidualGiven(residual=bench.residual(), operator="RT-07")
    settled = step(ended, given, bench.now(), bench.rules).session
    found = drafts.dose(session.authorisation, settled, bench.residual(), bench.rules).facts["deviations"]
    assert isinstance(found, list)
    return [str(each) for each in found]


@pytest.mark.req("S11")
def test_running_past_the_time_is_a_deviation_and_no_stop(bench: Any) -> None:
    """The dose goes on as if nothing were; its record names the deviation once."""
    session, effects = ran(bench, begun(bench), ENDS_S + 5)
    assert session.state is State.RUNNING
    assert not any(isinstance(effect, StopAerosol) for effect in effects)
    assert deviations(bench, session).count("in-use-time") == 1


@pytest.mark.req("S11")
def test_a_dose_that_ends_in_time_is_none(bench: Any) -> None:
    """A dose whose last aerosol came before the end of the time, and one that knows no such time, name no deviation."""
    session, _ = ran(bench, begun(bench), ENDS_S - 1)
    assert "in-use-time" not in deviations(bench, session)
    free = replace(begun(bench), authorisation=bench.authorisation())
    assert "in-use-time" not in deviations(bench, ran(bench, free, ENDS_S + 5)[0])


@pytest.mark.req("S11")
@pytest.mark.parametrize(
    ("at_ms", "doing", "past"),
    [
        (99_999, Doing.RUNNING, False),
        (100_000, Doing.RUNNING, True),
        (100_000, Doing.OFF, False),
        (100_000, Doing.PAUSED, False),
    ],
)
def test_only_aerosol_runs_past(bench: Any, at_ms: int, doing: Doing, past: bool) -> None:
    """To the millisecond, by the start and what passed since; a device that is off runs past nothing."""
    leave = bench.authorisation(use_by_ns=5_100 * NS_PER_S)
    assert ran_past(leave, 5_000 * NS_PER_S, Reading(at_ms=at_ms, doing=doing)) is past
    assert not ran_past(leave, None, Reading(at_ms=at_ms, doing=doing))


@pytest.mark.req("S11")
@pytest.mark.parametrize(("ran_s", "late"), [(99, False), (101, True)])
def test_a_restart_does_not_forget_it(bench: Any, ran_s: int, late: bool) -> None:
    """What the saved rows of a killed unit show is told in the record that closes the dose, from the log alone."""
    session = begun(bench)
    leave = session.authorisation
    assert leave is not None
    facts = drafts.authorisation(leave).facts
    open_ = OpenSession(
        place=leave.place,
        subject=leave.subject,
        operator=leave.operator,
        facts=facts,
        charge=session.charge,
        start_seq=4,
        started_wall_ns=session.started_wall_ns,
        device="SIM-0001",
    )
    rows = "".join(line(reading_of(bench.report(at_ns=at * NS_PER_S), 0, paused=False)) for at in range(ran_s + 1))
    regimen = Regimen(
        study="NCT04276987",
        product="MSC-Exos",
        arm="A",
        volume_nl=3_000_000,
        content_low=200_000_000,
        content_high=200_000_000,
        days=(1,),
        doses_per_day=1,
        blinded=False,
    )
    _, dose = recover(open_, rows, bench.rules, regimen, bench.now())
    found = dose.facts["deviations"]
    assert isinstance(found, list)
    assert ("in-use-time" in found) is late
