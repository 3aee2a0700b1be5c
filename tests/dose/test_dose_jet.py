"""Facts about the emitted volume of a device that dries what it sprays."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.dose import NOTHING, Code, Doing, Reading, ran_dry_early, seconds_left, settle, track
from nebctl.core.dose.jet import emitted_of
from nebctl.core.dose.known import by_time


@settings(deadline=None)
@given(st.integers(500_000, 6_000_000), st.floats(0, 1), st.floats(0.4, 1))
def test_a_jet_emits_less_than_it_loses(filled: int, part: float, share: float) -> None:
    """Vapour leaves too: what is emitted lies between f times the loss and the loss, and a mesh emits all of it."""
    gone = filled * part
    assert share * gone - 1 <= emitted_of(filled, gone, share) <= gone + 1
    assert emitted_of(filled, gone, 1.0) == pytest.approx(gone)


def test_the_worked_example_of_a_jet() -> None:
    """Of 3 mL with 1.0 mL left, a share of 0.77 has emitted 57 % and one of 0.55 45 %, although 67 % of it is gone."""
    assert emitted_of(3_000_000, 2_000_000, 0.77) * 100 // 3_000_000 == 57
    assert emitted_of(3_000_000, 2_000_000, 0.55) * 100 // 3_000_000 == 45


def test_weight_loss_is_never_called_emitted(dosing: Any) -> None:
    """A jet on a balance that lost 1.5 mL has surely emitted less, and not less than its driest gas allows."""
    rows = [
        Reading(at_ms=at_ms, doing=Doing.RUNNING, weight_ug=30_000_000 - at_ms * 6)
        for at_ms in range(200, 250_001, 200)
    ]
    emitted = dosing.follow(rows, dosing.jet).emitted
    assert emitted.high_nl < 1_400_000
    assert emitted.low_nl > emitted_of(3_000_000, 1_500_000, 0.45) * 0.98


def test_time_left_counts_to_what_a_jet_can_emit(dosing: Any) -> None:
    """A jet that runs as expected is told to last about six minutes, not the twelve that 3 mL would take."""
    assert 250 < (seconds_left(dosing.ran(1, dosing.jet), dosing.charged()) or 0) < 400


@pytest.mark.req("S17")
@pytest.mark.parametrize("evidence", ["dry", "operator-end"])
def test_a_jet_is_complete_by_its_end_and_its_residual(dosing: Any, evidence: str) -> None:
    """Sputter or the operator's word, and a measured residual within what a jet leaves: two witnesses."""
    estimate = dosing.ran(320, dosing.jet, dry=evidence == "dry")
    if evidence == "operator-end":
        estimate = replace(estimate, end_seen_by="RT-07")
    settled = settle(estimate, dosing.charged(), dosing.left(1_050_000), dosing.jet)
    assert settled.complete
    assert settled.witnesses == (evidence, "residual")


@pytest.mark.req("S17")
def test_a_jet_without_a_residual_is_never_complete(dosing: Any) -> None:
    """Neither sputter and the operator's word together nor a calibrated rate make up for the residual."""
    for model in (dosing.jet, replace(dosing.jet, calibrated=True, sigma_ppm=15_000)):
        estimate = replace(dosing.ran(400, model, dry=True), end_seen_by="RT-07")
        assert not settle(estimate, dosing.charged(), None, model).complete


@pytest.mark.req("S17")
def test_a_timer_alone_completes_no_jet(dosing: Any) -> None:
    """A run of the expected time with the expected residual, whose end nobody and nothing saw, is not complete."""
    settled = settle(dosing.ran(320, dosing.jet), dosing.charged(), dosing.left(1_050_000), dosing.jet)
    assert (settled.complete, settled.witnesses) == (False, ("residual",))


@pytest.mark.req("S17")
def test_too_much_left_is_a_partial_dose(dosing: Any) -> None:
    """Sputter with 1.7 mL left of 3 mL is no completed run, whatever the operator saw."""
    estimate = replace(dosing.ran(250, dosing.jet, dry=True), end_seen_by="RT-07")
    settled = settle(estimate, dosing.charged(), dosing.left(1_700_000), dosing.jet)
    assert (settled.complete, settled.partial) == (False, True)


@pytest.mark.req("S17")
def test_an_operators_word_is_no_witness_of_a_mesh(dosing: Any) -> None:
    """A mesh senses its own end; that a person saw it counts for nothing there."""
    estimate = replace(dosing.ran(459), end_seen_by="RT-07")
    settled = settle(estimate, dosing.charged(), dosing.left(100_000), dosing.calibrated)
    assert not settled.complete
    assert "operator-end" not in settled.witnesses


@pytest.mark.req("S29")
def test_a_jet_that_spits_at_once_ran_dry_early(dosing: Any) -> None:
    """Sputter after half a minute is a premature stop; after five minutes it is the end."""
    assert ran_dry_early(dosing.ran(30, dosing.jet, dry=True))
    assert not ran_dry_early(dosing.ran(300, dosing.jet, dry=True))


@pytest.mark.req("S54")
def test_a_jet_whose_loss_no_share_explains_is_uncertain(dosing: Any) -> None:
    """A cup that is nearly empty after a minute was not emptied by the jet: the residual contradicts the time."""
    settled = settle(dosing.ran(60, dosing.jet, dry=True), dosing.charged(), dosing.left(300_000), dosing.jet)
    assert settled.contradiction
    assert not settled.complete


def gas(seconds: float, *, rough: float, after_ms: int = 0, share: float = 1.0) -> list[Reading]:
    """Return readings of a jet whose gas scatters by `rough` of its value."""
    chance = random.Random(after_ms)
    return [
        Reading(
            at_ms=at_ms,
            doing=Doing.RUNNING,
            gas_sccm=round(6_000 * share * (1 + chance.uniform(-rough, rough))),
            pressure_pa=round(138_000 * share * (1 + chance.uniform(-rough, rough))),
        )
        for at_ms in range(after_ms + 200, after_ms + round(seconds * 1000) + 1, 200)
    ]


@pytest.mark.parametrize("rough", [0.001, 0.003, 0.01])
def test_sputter_is_felt_in_the_gas(dosing: Any, rough: float) -> None:
    """Gas that scatters ten times as much as before is sputter within seconds; gas as calm as ever is not."""
    calm = dosing.follow(gas(300, rough=rough), dosing.jet)
    assert not calm.dry
    spits = dosing.follow(gas(15, rough=10 * rough, after_ms=300_000), dosing.jet, estimate=calm)
    assert spits.evidence.names() == ("sputter",)


@pytest.mark.req("S28")
@pytest.mark.parametrize("share", [0.75, 0.6])
def test_a_loss_of_gas_is_a_loss_of_rate(dosing: Any, share: float) -> None:
    """A quarter less gas is found within a minute and slows the estimate; a twentieth less is not an alarm."""
    steady = dosing.follow(gas(120, rough=0.003), dosing.jet)
    weak = dosing.follow(gas(60, rough=0.003, after_ms=120_000, share=share), dosing.jet, estimate=steady)
    fine = dosing.follow(gas(60, rough=0.003, after_ms=120_000, share=0.95), dosing.jet, estimate=steady)
    assert Code.RATE_LOW in weak.found
    assert fine.found == ()
    assert weak.emitted.best_nl < fine.emitted.best_nl


def test_only_a_mesh_sweeps_before_it_emits(dosing: Any) -> None:
    """A jet's first ten seconds of gas all count; a mesh looks for its resonance in some of them, or at once."""
    gas = by_time(dosing.ran(10, dosing.jet).exposure, dosing.jet)[0]
    assert gas == pytest.approx(dosing.jet.rate_nl_per_s * 10, rel=0.1)
    sweep, sigma = by_time(dosing.ran(10, dosing.calibrated).exposure, dosing.calibrated)
    assert sweep < dosing.calibrated.rate_nl_per_s * 9
    assert sweep + 2 * sigma > dosing.calibrated.rate_nl_per_s * 10


def test_nothing_is_known_of_a_jet_before_it_ran(dosing: Any) -> None:
    """A jet that is off has emitted nothing."""
    assert track(NOTHING, Reading(at_ms=0, doing=Doing.OFF), dosing.charged(), dosing.jet).emitted.high_nl == 0


@pytest.mark.parametrize(("slackens_nl", "fades"), [(1_300_000, False), (1_420_000, True)])
def test_a_jet_fades_only_near_what_it_leaves(dosing: Any, slackens_nl: int, fades: bool) -> None:
    """Less than a tenth of a millilitre above the most that it may leave, a loss that slackens is sputter."""
    rows, gone_nl = [Reading(at_ms=200 * step, doing=Doing.OFF, weight_ug=30_000_000) for step in range(25)], 0.0
    slack_from = 0
    for step in range(25, 2_000):
        slack_from = slack_from or (step if gone_nl >= slackens_nl else 0)
        gone_nl += 400 if slack_from else 1_260
        rows.append(Reading(at_ms=200 * step, doing=Doing.RUNNING, weight_ug=30_000_000 - round(gone_nl)))
        if slack_from and step - slack_from > 250:
            break
    assert dosing.follow(rows, dosing.jet).evidence.faded is fades
