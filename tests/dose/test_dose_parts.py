"""The parts of the estimate one by one: the balance's filter, what a jet leaves, and what records carry of them."""

import math
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import Charge, Doing, Interval, Method, Reading, Residual, settle
from nebctl.core.dose.charge import balance
from nebctl.core.dose.evidence import NO_EVIDENCE, fade
from nebctl.core.dose.exposure import UNEXPOSED, Exposure
from nebctl.core.dose.jet import EARLY_NL, emitted_of, know_jet
from nebctl.core.dose.known import Cup, Known, cup_of
from nebctl.core.dose.spread import LOT_SHARE, Z95, Spread, spread_of
from nebctl.core.dose.weight import COARSE, UNWEIGHED, Weighed, balance_reads

RATE = 6_000.0
NO_GAP = (0.0, 0.0)


def heard(*weights_ug: int, before: Weighed = UNWEIGHED, exposure: Exposure = UNEXPOSED) -> Weighed:
    """Return the filter after these readings, five a second."""
    for number, weight_ug in enumerate(weights_ug):
        reading = Reading(at_ms=200 * number, doing=Doing.OFF, weight_ug=weight_ug)
        before = balance_reads(before, reading, exposure, rate=RATE, rate_sigma=0.05)
    return before


def test_a_display_shows_its_step_by_what_readings_differ_by() -> None:
    """The least difference of two readings is the display's step; a change of a gram is none of it."""
    assert heard(30_000_000, 30_010_000).step_nl == 10_000
    assert heard(30_000_000, 30_010_000, 30_011_000, 30_031_000).step_nl == 1_000
    assert heard(30_000_000, 31_000_000).step_nl == 0


@pytest.mark.parametrize(
    ("weight_ug", "step_ug"), [(30_000_000, 10_000), (30_001_000, 1_000), (30_001_100, 100), (30_001_110, 10)]
)
def test_one_reading_tells_how_coarse_a_display_may_be(weight_ug: int, step_ug: int) -> None:
    """Until a second one comes, the scatter is at least what the zeros at the end of a reading may hide."""
    assert heard(weight_ug).noise_nl == max(UNWEIGHED.noise_nl, COARSE * step_ug)


def test_a_zero_begins_anew_after_a_jump_and_else_is_a_mean() -> None:
    """What is put on the pan before the start is no loss: the readings before it no longer count."""
    steady = heard(30_000_000, 30_000_500, 30_001_000)
    assert (steady.zero_nl, steady.zeroed) == (30_000_500, 3)
    moved = heard(31_500_000, before=steady)
    assert (moved.zero_nl, moved.zeroed) == (31_500_000, 1)


@pytest.mark.parametrize("zeroed", [True, False])
def test_a_balance_that_was_not_heard_before_the_start_takes_the_rates_word(zeroed: bool) -> None:
    """First heard a minute into the run, it counts the loss until then as the rate says, unless it has a zero."""
    running = Exposure(on_ms=60_000, starts=1, least_s=60.0, best_s=60.0, most_s=60.0, rows=1)
    before = heard(30_000_000, 30_000_000) if zeroed else UNWEIGHED
    begun = heard(29_640_000, before=before, exposure=running)
    assert begun.started
    assert begun.lost_nl == pytest.approx(0.0 if zeroed else 60 * RATE, abs=1)
    assert begun.zero_nl == pytest.approx(30_000_000, abs=1)


def cup(dosing: Any) -> Cup:
    """Return a jet's cup of 3 mL."""
    return cup_of(dosing.charged(), dosing.jet, 0)


def known(
    dosing: Any,
    mean: float,
    sigma: float,
    gap: tuple[float, float] = NO_GAP,
    weight: tuple[float, float] | None = None,
) -> Known:
    """Return what is known of a jet that ended after a time that explains so much."""
    return know_jet(gap, (mean, sigma), ((mean, sigma, 1.0),), weight, cup(dosing), dosing.jet, ended=True)


def test_a_jet_ended_early_only_where_its_fastest_could_not_have_emptied_it(dosing: Any) -> None:
    """Two standard deviations, the driest gas and all the time in which nobody heard it speak against it first."""
    filled, jet = cup(dosing).filled, dosing.jet
    least_nl = (filled - jet.most_left_nl(round(filled)) - EARLY_NL) * jet.aerosol_share_low_ppm / 1e6
    assert known(dosing, least_nl * 0.999, 1.0).early == 1.0
    assert known(dosing, least_nl * 1.001, 1.0).early == 0.0
    assert known(dosing, least_nl * 0.95, least_nl * 0.05).early == 0.0
    assert known(dosing, least_nl * 0.95, 1.0).early == 1.0
    assert known(dosing, least_nl * 0.95, 1.0, (0.0, least_nl * 0.1)).early == 0.0


@pytest.mark.parametrize(("sigma", "early"), [(10_000.0, 1.0), (10_300.0, 0.0)])
def test_a_balance_says_that_a_jet_ended_early_by_two_of_its_standard_deviations(
    dosing: Any, sigma: float, early: float
) -> None:
    """Where it saw less leave than time explains: 1.35 mL must have left, or more is left than a whole run leaves."""
    assert known(dosing, 2e6, 1e5, weight=(1_330_000.0, sigma)).early == early


def test_a_jet_that_ran_far_past_its_cup_emitted_what_it_usually_does(dosing: Any) -> None:
    """No rate of its class explains the time: what is left is the usual residual, and what was emitted by its share."""
    held = cup(dosing)
    far = known(dosing, 3e7, 1e6)
    least, most = (emitted_of(held.filled, held.available, share) for share in (0.3, 1.0))
    assert least * 0.9 < far.low < far.best < far.high < most
    assert known(dosing, 3e7, 1e6, (1e9, 0.0)).low == 0.0


def test_a_jet_that_spits_leaves_a_little_more_than_its_residual(dosing: Any) -> None:
    """Its end says that what was emitted leaves the usual residual and what a minute's sputter would still take."""
    held = cup(dosing)
    share = dosing.jet.aerosol_share_best_ppm / 1e6
    whole = emitted_of(held.filled, held.available, share)
    assert known(dosing, whole, whole).best < whole


def test_nothing_gone_is_nothing_emitted() -> None:
    """A cup that became heavier emitted nothing, one that is empty all of it, and a half-empty one its share."""
    assert [emitted_of(3e6, gone, 0.5) for gone in (-1e5, 0.0, 3e6, 4e6)] == [0.0, 0.0, 3e6, 3e6]
    assert emitted_of(3e6, 2.25e6, 0.5) == pytest.approx(1.5e6)


def test_only_a_jet_that_runs_low_can_fade() -> None:
    """Off, with much left, or with no loss before, what the balance says begins no sputter and ends one that began."""
    began = NO_EVIDENCE._replace(faded_since=5, at_ms=1_000)
    said: dict[str, Any] = {"loses": 10.0, "lost_before": 100.0, "little_left": True, "runs": True}
    assert fade(began, **said).faded_since == 5
    for change in ({"runs": False}, {"little_left": False}, {"lost_before": 0.0}, {"loses": 90.0}):
        assert fade(began, **{**said, **change}).faded_since is None


def test_records_name_the_parts_of_a_volume() -> None:
    """The members are those that every reader of a record looks for."""
    assert Interval(low_nl=1, best_nl=2, high_nl=3).as_json() == {"low_nl": 1, "best_nl": 2, "high_nl": 3}
    spread = Spread(calibration_nl=1, device_nl=2, lot_nl=3, run_nl=4)
    assert spread.as_json() == {"calibration_nl": 1, "device_nl": 2, "lot_nl": 3, "run_nl": 4}


def test_intervals_that_share_one_end_overlap() -> None:
    """What could be the same volume overlaps, on either side; one nanolitre further it does not."""
    held = Interval(low_nl=10, best_nl=15, high_nl=20)
    for low, high, overlaps in ((20, 30, True), (0, 10, True), (21, 30, False), (0, 9, False)):
        other = Interval(low_nl=low, best_nl=low, high_nl=high)
        assert held.overlaps(other) is other.overlaps(held) is overlaps


def test_a_balance_of_more_than_was_charged_is_nothing() -> None:
    """Where more is left than was poured in, nothing left the cup: at no end less, at no end more."""
    charge = Charge(volume=Interval(low_nl=1, best_nl=2, high_nl=3), method=Method.DRAWN, vial_emptied=True)
    left = Residual(volume=Interval(low_nl=4, best_nl=5, high_nl=6), method=Method.DRAWN)
    assert balance(charge, left) == Interval(low_nl=0, best_nl=0, high_nl=0)


@pytest.mark.parametrize("kind", ["doubted", "topped up", "contradicted", "plain"])
def test_what_was_tracked_stands_beside_what_was_settled(dosing: Any, kind: str) -> None:
    """Whatever a doubt, a residual or a person's word makes of it, the readings' own interval is kept."""
    estimate = dosing.ran(710 if kind == "contradicted" else 400, dry=True)
    topped_up = dosing.around(100_000) if kind == "topped up" else None
    left = dosing.left(300_000)
    settled = settle(
        estimate, dosing.charged(), left, dosing.calibrated, doubted=kind == "doubted", topped_up=topped_up
    )
    assert settled.tracked == estimate.emitted


def test_a_spread_is_shared_out_by_what_it_is_owed_to(dosing: Any) -> None:
    """By time, the calibration's part; by a declared charge and a residual, the lot's; of a jet, its share's."""
    estimate, charge, left = dosing.ran(400), dosing.charged(), dosing.left(300_000)
    final = Interval(low_nl=2_000_000, best_nl=2_500_000, high_nl=3_000_000)
    whole = 1_000_000 / (2 * Z95)
    timed = spread_of(final, estimate, charge, None, dosing.calibrated)
    assert timed.calibration_nl == math.ceil(2_500_000 * dosing.calibrated.sigma_ppm / 1e6)
    assert (timed.device_nl, timed.lot_nl) == (0, 0)
    drawn = spread_of(final, estimate, charge, left, dosing.calibrated)
    assert (drawn.calibration_nl, drawn.device_nl) == (0, 0)
    assert drawn.lot_nl == math.ceil(math.sqrt(LOT_SHARE) * 120_000 / (2 * Z95))
    weighed = replace(charge, method=Method.WEIGHED)
    assert spread_of(final, estimate, weighed, left, dosing.calibrated).lot_nl == 0
    for sigma_ppm in (0, 30_000):
        jet = replace(dosing.jet, share_sigma_ppm=sigma_ppm)
        width = jet.aerosol_share_high_ppm - jet.aerosol_share_low_ppm
        share = (sigma_ppm or width / math.sqrt(12)) / jet.aerosol_share_best_ppm
        found = spread_of(final, estimate, weighed, left, jet)
        assert found.device_nl == math.ceil(min(whole, 2_500_000 * share))
    parts = (timed.calibration_nl, timed.device_nl, timed.lot_nl, timed.run_nl)
    assert math.hypot(*parts) == pytest.approx(whole, rel=1e-4)


def test_a_jet_s_share_is_as_unsure_as_its_range_is_wide(dosing: Any) -> None:
    """Evenly within what its class gives, where nobody measured it: the width over the root of twelve, of the best."""
    wide = Interval(low_nl=0, best_nl=2_600_000, high_nl=10_000_000)
    weighed = replace(dosing.charged(), method=Method.WEIGHED)
    spread = spread_of(wide, dosing.ran(400), weighed, dosing.left(300_000), dosing.jet)
    assert spread.device_nl == math.ceil(2_600_000 * 0.4 / math.sqrt(12) / 0.65)
