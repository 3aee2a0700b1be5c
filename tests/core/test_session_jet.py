"""A session with a jet nebulizer: how it ends, and how its dose is judged and named."""

from dataclasses import replace

import pytest

from nebctl.core import events as ev
from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Declaration, DeviceReport, EndCause, Identity, Output
from nebctl.core.dose import Charge, Interval, Method, Residual
from nebctl.core.effects import Record, StopAerosol
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.regimen import SiteRules
from nebctl.core.session import IDLE, Rules, Session, State, step
from nebctl.core.session.accepted import with_acceptances
from nebctl.core.verify import Limits
from tests.dose.conftest import JET

RUN = "0badcafe"
DEVIATION = "DEV-001 jet nebulizers emit about half of the prescribed volume"
RULES = Rules(
    limits=Limits(lower_nl=2_700_000, upper_nl=3_150_000),
    site=SiteRules(jet_under=DEVIATION),
    model=JET,
    declaration=Declaration(keeps_s14=False, host_loss_off_ms=2000, max_on_in_device=True, senses=("dry",)),
)
NOW = Instant(
    mono_ns=10**12, wall_ns=1_771_081_200 * 10**9, boot="b007", clock=ClockState(sync=True, source="sim", scale=1)
)


def volume(best_nl: int) -> Interval:
    """Return a volume with its interval."""
    return Interval(low_nl=best_nl - 20_000, best_nl=best_nl, high_nl=best_nl + 20_000)


def reading(output: Output, end: EndCause = EndCause.NONE, at_ms: int = 320_200, *, dry: bool = False) -> ev.Reported:
    """Return a report of the device, so long after its start."""
    at_ns = 10**12 + at_ms * 10**6
    report = DeviceReport(at_ns=at_ns, output=output, run=RUN, on_ms=at_ms, end=end, boot=1, dry=dry)
    return ev.Reported(report=report)


@pytest.fixture
def running() -> Session:
    """A session in mid-dose."""
    place = SessionDay(session="2026-02-14-7f3a9c", day=1, tz="Asia/Shanghai", date_local="2026-02-14")
    auth = Authorisation(
        auth="a0a0a0a0",
        place=place,
        subject="MEX-002",
        operator="RT-07",
        dose=1,
        kit="KIT-0501",
        lot="EXO2020A",
        device="SIM-0002",
        volume_nl=3_000_000,
        content=200_000_000,
        expires_mono_ns=2 * 10**12,
        boot="b007",
        not_after_ns=1_771_200_000 * 10**9,
    )
    device = Identity(
        maker="Alicat",
        model="MC",
        serial="SIM-0002",
        firmware="-",
        protocol="modbus-tcp",
        boot=1,
        max_on_ms=3_600_000,
        simulated=True,
    )
    charge = Charge(volume=volume(3_000_000), method=Method.WEIGHED, vial_emptied=True)
    session = replace(IDLE, state=State.RUNNING, authorisation=auth, charge=charge, device=device, run=RUN, start_seq=4)
    session = replace(session, started_ns=10**12, started_wall_ns=NOW.wall_ns, cup="CUP-2")
    for at_ms in range(200, 320_001, 200):
        session = step(session, reading(Output.RUNNING, at_ms=at_ms), NOW, RULES).session
    return session


def settled(session: Session, residual_nl: int, rules: Rules = RULES) -> Draft:
    """Return the record of the dose after a residual."""
    residual = Residual(volume=volume(residual_nl), method=Method.DRAWN)
    done = step(session, ev.ResidualGiven(residual=residual, operator="RT-07"), NOW, rules)
    records = [draft for effect in done.effects if isinstance(effect, Record) for draft in effect.drafts]
    return next(draft for draft in records if draft.typ == "dose")


def end_by_operator(session: Session) -> Session:
    """Return the session after the operator saw the end and the device is off."""
    seen = step(session, ev.EndSeen(operator="RT-09"), NOW, RULES)
    assert seen.session.state is State.STOPPING
    assert seen.effects == (StopAerosol(),)
    off = step(seen.session, reading(Output.OFF, EndCause.STOP), NOW, RULES)
    assert off.session.state is State.RESIDUAL
    return off.session


@pytest.mark.req("S17")
def test_the_operators_word_and_the_residual_complete_a_jet(running: Session) -> None:
    """The end is seen, OFF is read back, the residual fits: complete, by these two witnesses, and by whom."""
    dose = settled(end_by_operator(running), 1_050_000)
    assert (dose.facts["end"], dose.facts["witnesses"]) == ("complete", ["operator-end", "residual"])
    assert dose.private["end_seen_by"] == "RT-09"
    assert dose.facts["stopped_by"] == ""


@pytest.mark.req("S17")
def test_sputter_and_the_residual_complete_a_jet(running: Session) -> None:
    """The driver's own end by sputter needs no press."""
    off = step(running, reading(Output.OFF, EndCause.DRY, dry=True), NOW, RULES)
    dose = settled(off.session, 1_050_000)
    assert (dose.facts["end"], dose.facts["witnesses"]) == ("complete", ["dry", "residual"])
    assert "end_seen_by" not in dose.private


def test_a_complete_jet_dose_is_judged_by_the_same_rule(running: Session) -> None:
    """About half of 3 mL is UNDER, never WITHIN; it is named as the device's class, under the site's deviation."""
    dose = settled(end_by_operator(running), 1_050_000)
    assert dose.facts["verdict"] == "UNDER"
    assert dose.facts["deviations"] == ["underdose", "device-class-under"]
    assert dose.facts["site_deviation"] == DEVIATION
    assert 1_300_000 < dose.facts["best_nl"] < 1_600_000  # type: ignore[operator]


@pytest.mark.req("S22")
def test_every_record_of_a_session_repeats_what_the_site_accepted_of_its_device(running: Session) -> None:
    """Without S22 or S24 each names the site's deviation, null where there is none; a record of no session does not."""
    dose, boot = settled(end_by_operator(running), 1_050_000), Draft(typ="boot")
    assert with_acceptances((dose, boot), RULES) == (dose, boot)
    lacking = replace(RULES.declaration, host_loss_off_ms=3000, max_on_in_device=False)
    rules = replace(RULES, declaration=lacking, site=SiteRules(jet_under=DEVIATION, host_loss="DEV-002 a nurse stays"))
    told, untold = with_acceptances((dose, boot), rules)
    assert told.facts == {**dose.facts, "site_acceptances": {"S22": "DEV-002 a nurse stays", "S24": None}}
    assert untold == boot


def test_a_partial_jet_dose_is_not_excused_by_its_class(running: Session) -> None:
    """With too much left the underdose is the run's own, and the device's class is not named for it."""
    dose = settled(end_by_operator(running), 1_600_000)
    assert dose.facts["end"] == "partial"
    assert dose.facts["verdict"] == "UNDER"
    assert dose.facts["deviations"] == ["underdose"]


def test_stop_after_the_end_was_seen_changes_nothing_of_it(running: Session) -> None:
    """A STOP on top of the end is remembered as such, and the dose is complete all the same."""
    seen = step(running, ev.EndSeen(operator="RT-09"), NOW, RULES).session
    stopped = step(seen, ev.StopPressed(source="page"), NOW, RULES).session
    off = step(stopped, reading(Output.OFF, EndCause.STOP), NOW, RULES).session
    dose = settled(off, 1_050_000)
    assert (dose.facts["end"], dose.facts["stopped_by"]) == ("complete", "page")
    assert "stopped-early" not in dose.facts["deviations"]  # type: ignore[operator]
