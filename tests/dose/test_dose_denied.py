"""Where witnesses deny each other, or nothing speaks for the end, nothing is claimed."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import NOTHING, Doing, DoseEstimate, Interval, settle
from nebctl.core.dose.denied import denies, unvouched
from nebctl.core.dose.estimate import Code
from nebctl.core.dose.reading import Reading

WITHIN_LOW_NL = 2_700_000
LOADED_UG = 30_000_000


def off(dosing: Any, estimate: DoseEstimate, model: Any, **told: Any) -> DoseEstimate:
    """Return the estimate after a device is off at the end of what it ran."""
    last = Reading(at_ms=estimate.exposure.at_ms + 200, doing=Doing.OFF, **told)
    return dosing.follow([last], model, estimate=estimate)


def weighed(dosing: Any, seconds: int, *, rate: int, step_ug: int = 100, until_s: int | None = None) -> DoseEstimate:
    """Return the estimate of a mesh that says dry after `seconds`, on a balance that moves until `until_s`."""
    rows = []
    for step in range(seconds * 5 + 25):
        gone_ug = max(0, min(step - 24, (until_s if until_s is not None else seconds) * 5)) * rate // 5
        shown_ug = round((LOADED_UG - gone_ug) / step_ug) * step_ug
        doing = Doing.RUNNING if step >= 24 else Doing.OFF
        rows.append(Reading(at_ms=200 * step, doing=doing, weight_ug=shown_ug, temp_mc=22_000, dry=False))
    rows.append(Reading(at_ms=rows[-1].at_ms + 200, doing=Doing.OFF, weight_ug=rows[-1].weight_ug, dry=True))
    return dosing.follow(rows)


@pytest.mark.req("S17")
@pytest.mark.parametrize("dry", [False, None])
@pytest.mark.parametrize("minutes", [9, 20, 30])
def test_a_mesh_that_runs_on_claims_nothing(dosing: Any, minutes: int, dry: bool | None) -> None:
    """A device that should be dry and does not say so, or cannot, may have given nothing: no bound below stands."""
    for model in (dosing.calibrated, dosing.unknown):
        ran = dosing.follow(dosing.rows(60 * minutes, temp_mc=22_000, dry=dry), model)
        settled = settle(off(dosing, ran, model, dry=dry), dosing.charged(), None, model)
        assert not settled.complete
        if minutes > 9:
            assert settled.final.low_nl == 0
        assert settled.final.low_nl < WITHIN_LOW_NL < settled.final.high_nl


@pytest.mark.req("S17")
def test_a_jet_that_runs_on_without_sputter_may_be_blocked(dosing: Any) -> None:
    """After three times the time of a whole dose nothing says that a jet gave anything: its interval is wide again."""
    late, usual = (dosing.ran(seconds, dosing.jet) for seconds in (2_400, 400))
    assert late.emitted.low_nl < usual.emitted.low_nl / 4
    assert late.falls[-1].witness == "not-dry"


@pytest.mark.req("S33")
@pytest.mark.parametrize("filled_ug", [3_400_000, 4_500_000])
def test_more_weight_than_was_charged_is_no_dose_within(dosing: Any, filled_ug: int) -> None:
    """Where more left than the cup was said to hold, the high end is what left and the low end is none."""
    estimate = weighed(dosing, filled_ug // 6_333, rate=6_333)
    assert Code.CHARGE_CONTRADICTED in estimate.found
    settled = settle(estimate, dosing.charged(), None, dosing.calibrated)
    assert settled.contradiction
    assert not settled.complete
    assert settled.final.low_nl == 0
    assert settled.final.high_nl >= filled_ug
    assert settled.added_nl >= filled_ug - dosing.charged().volume.high_nl


@pytest.mark.req("S33")
@pytest.mark.parametrize("until_s", [0, 100, 200])
def test_a_balance_that_sticks_denies_a_clock_and_does_not_win(dosing: Any, until_s: int) -> None:
    """Dry in its calibrated time, and hardly lighter: either may be so, and the interval holds both."""
    settled = settle(weighed(dosing, 455, rate=6_333, until_s=until_s), dosing.charged(), None, dosing.calibrated)
    assert settled.contradiction
    assert settled.final.low_nl < 1_400_000
    assert settled.final.high_nl >= 2_900_000


@pytest.mark.req("S54")
def test_a_cup_that_leaks_while_it_runs_contradicts_a_calibrated_clock(dosing: Any) -> None:
    """Dry, and half as much again lost as a calibrated rate explains: more than aerosol left."""
    estimate = weighed(dosing, 300, rate=9_000)
    assert not estimate.known.past
    assert estimate.outran
    assert settle(estimate, dosing.charged(), dosing.left(100_000), dosing.calibrated).contradiction


@pytest.mark.parametrize(("until_s", "little"), [(268, True), (272, False)])
def test_six_tenths_of_what_the_clock_explains_is_little(dosing: Any, until_s: int, little: bool) -> None:
    """A balance that saw less, by two of its own standard deviations, denies the clock; by one it does not."""
    estimate = weighed(dosing, 455, rate=6_333, until_s=until_s)
    assert estimate.outran is little
    assert Code.RATE_LOW in estimate.found


@pytest.mark.parametrize("step_ug", [30_000, 60_000, 100_000])
def test_a_coarse_display_is_followed(dosing: Any, step_ug: int) -> None:
    """A display in steps of up to 0.1 g still tells what left, within an interval that has room for its steps."""
    emitted = weighed(dosing, 455, rate=6_333, step_ug=step_ug).emitted
    assert emitted.low_nl < 455 * 6_333 < emitted.high_nl
    assert emitted.high_nl - emitted.low_nl > step_ug / 2


@pytest.mark.req("S33")
def test_a_residual_does_not_outvote_a_stop_that_the_clock_called_early(dosing: Any) -> None:
    """Dry at two thirds of its time with an empty cup: a spill as likely as a fast mesh, never complete nor within."""
    estimate = dosing.ran(310, dry=True, temp_mc=22_000)
    assert Code.PREMATURE_DRY in estimate.found
    settled = settle(estimate, dosing.charged(), dosing.left(90_000), dosing.calibrated)
    assert settled.contradiction
    assert not settled.complete
    assert settled.final.low_nl < WITHIN_LOW_NL


def test_bounds_of_a_denied_dose_are_in_order(dosing: Any) -> None:
    """What is settled of witnesses that deny each other is still an interval."""
    final = settle(weighed(dosing, 700, rate=6_333), dosing.charged(), None, dosing.calibrated).final
    assert final.low_nl <= final.best_nl <= final.high_nl


@pytest.mark.req("S17")
@pytest.mark.parametrize(("lost_s", "complete"), [(0, True), (10, True), (50, False), (90, False), (150, False)])
def test_what_may_have_stood_still_unheard_is_not_complete(dosing: Any, lost_s: int, complete: bool) -> None:
    """A dry mesh whose clock fits only if it ran through a long gap may have stopped early: no clock vouches for it."""
    heard_s = 462 - lost_s
    estimate = dosing.follow(dosing.rows(200, dry=False, temp_mc=22_000))
    if lost_s:
        estimate = dosing.follow([Reading(at_ms=200_200, doing=Doing.LOST)], estimate=estimate)
    rest = dosing.rows(heard_s - 200, after_ms=200_000 + lost_s * 1000, dry=False, temp_mc=22_000)
    estimate = dosing.follow(rest, estimate=estimate)
    estimate = off(dosing, estimate, dosing.calibrated, dry=True)
    assert settle(estimate, dosing.charged(), None, dosing.calibrated).complete is complete


def test_a_whole_dose_beside_a_gap_contradicts_nothing(dosing: Any) -> None:
    """A mesh that was heard through its whole dose and stood still in a gap besides has not outrun its charge."""
    estimate = dosing.follow(dosing.rows(230, dry=False, temp_mc=22_000))
    estimate = dosing.follow([Reading(at_ms=230_200, doing=Doing.LOST)], estimate=estimate)
    estimate = dosing.follow(dosing.rows(232, after_ms=330_000, dry=False, temp_mc=22_000), estimate=estimate)
    estimate = off(dosing, estimate, dosing.calibrated, dry=True)
    assert Code.CHARGE_CONTRADICTED not in estimate.found


def span(low: int, best: int, high: int) -> Interval:
    """Return an interval in nanolitres."""
    return Interval(low_nl=low, best_nl=best, high_nl=high)


@pytest.mark.parametrize(
    ("drawn", "beside"),
    [
        (span(90, 100, 110), False),
        (span(290, 300, 310), False),
        (span(200, 400, 500), False),
        (span(10, 50, 200), False),
        (span(80, 99, 199), True),
        (span(201, 301, 400), True),
    ],
)
def test_a_residual_is_denied_where_each_best_is_beside_the_other(dosing: Any, drawn: Interval, beside: bool) -> None:
    """An end that is just touched still holds; overlapping ends alone do not."""
    tracked = replace(NOTHING, emitted=span(100, 200, 300))
    assert denies(tracked, drawn, dosing.calibrated, left=True) is beside
    assert denies(replace(tracked, found=(Code.PREMATURE_DRY,)), drawn, dosing.calibrated, left=False)
    assert not denies(tracked, drawn, dosing.jet, left=True)


def test_what_never_surely_ran_vouches_for_nothing(dosing: Any) -> None:
    """Nothing that a device did for certain: no bound below, whatever its residual says."""
    final = span(2_000, 3_000, 4_000)
    assert unvouched(final, NOTHING, dosing.calibrated) == span(0, 3_000, 4_000)
    assert unvouched(final, NOTHING, dosing.jet) == final
