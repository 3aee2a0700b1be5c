"""The balance's filter at its thresholds: what is a step, a zero, a jump, a spill, and what its scatter hides."""

import math
from typing import Any

import pytest

from nebctl.core.dose import Doing, Reading
from nebctl.core.dose.exposure import UNEXPOSED, Exposure
from nebctl.core.dose.weight import (
    BIG_STEP_NL,
    COARSE,
    DENSITY,
    FLOOR_NL,
    HIDDEN,
    LAG_S,
    RESTART,
    UNWEIGHED,
    Weighed,
    balance_reads,
    lost,
    spilled_nl,
    unseen_nl,
)

RATE, ZERO_UG = 6_000.0, 30_000_000
SHOWN_NL = float(ZERO_UG)


def reads(before: Weighed, weight_ug: int | None, at_ms: int = 1_000, exposure: Exposure = UNEXPOSED) -> Weighed:
    """Return the filter after one reading, of a cup that should lose 6 uL a second, 5 % unsure."""
    reading = Reading(at_ms=at_ms, doing=Doing.RUNNING, weight_ug=weight_ug)
    return balance_reads(before, reading, exposure, rate=RATE, rate_sigma=0.05)


def driven(best_s: float, starts: int = 1, least_s: float | None = None, most_s: float | None = None) -> Exposure:
    """Return a time of driving, sure where nothing else is said."""
    least, most = (best_s if each is None else each for each in (least_s, most_s))
    return Exposure(doing=Doing.RUNNING, rows=1, starts=starts, least_s=least, best_s=best_s, most_s=most)


def zeroed(**changes: Any) -> Weighed:
    """Return a filter with a zero of ten readings, before the start."""
    before = UNWEIGHED._replace(zero_nl=SHOWN_NL, zeroed=10, noise_nl=3_000.0, shown_nl=SHOWN_NL, heard_ms=800)
    return before._replace(**changes)


def following(**changes: Any) -> Weighed:
    """Return a filter that follows a run since 100 s, whose readings scatter by a milligram and tell no more."""
    return zeroed(
        started=True, starts=1, started_s=0.2, at_s=100.0, rate=RATE, noise_nl=1_000.0, p_ll=0.0, readings=500
    )._replace(**changes)


def test_a_row_without_a_weight_changes_nothing() -> None:
    """Neither before the start nor in a run."""
    for before in (UNWEIGHED, zeroed(), following()):
        assert reads(before, None, exposure=driven(101.0)) == before


@pytest.mark.parametrize(
    ("off", "known", "step"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (109_999, 0, 109_999),
        (110_000, 0, 0),
        (110_000, 500, 500),
        (400, 500, 400),
        (600, 500, 500),
    ],
)
def test_the_least_difference_below_a_tenth_of_a_gram_is_the_step(off: int, known: int, step: int) -> None:
    """Of two readings after each other; the scatter is at least what such a step hides."""
    seen = reads(zeroed(step_nl=float(known), noise_nl=100.0, zeroed=1_000), ZERO_UG - off)
    assert (seen.step_nl, seen.shown_nl) == (step, ZERO_UG - off)
    coarse = reads(following(step_nl=0.0, noise_nl=100.0, shown_nl=SHOWN_NL + 50_000), ZERO_UG, exposure=driven(100.0))
    assert coarse.step_nl == 50_000
    assert coarse.noise_nl >= COARSE * 50_000


@pytest.mark.parametrize(("last", "finest"), [(0, 10_000), (1_000, 1_000), (1_100, 100), (1_110, 10), (1_111, 1)])
def test_the_zeros_of_a_reading_tell_its_finest_step(last: int, finest: int) -> None:
    """A first reading allows no finer doubt than that."""
    assert reads(UNWEIGHED._replace(noise_nl=0.1), ZERO_UG + last).noise_nl == max(0.1, COARSE * finest)


@pytest.mark.parametrize(("noise", "most"), [(3_000.0, 18_000), (100.0, 6_000)])
def test_a_zero_begins_anew_beyond_six_times_its_scatter(noise: float, most: int) -> None:
    """And beyond six milligrams; up to that it is a mean of at most fifty readings."""
    kept = reads(zeroed(noise_nl=noise, step_nl=1.0), ZERO_UG + most)
    assert (kept.zeroed, kept.zero_nl) == (11, pytest.approx(SHOWN_NL + most / 11))
    anew = reads(zeroed(noise_nl=noise, step_nl=1.0), ZERO_UG + most + 1)
    assert (anew.zeroed, anew.zero_nl, anew.heard_ms) == (1, SHOWN_NL + most + 1, 1_000)
    many = reads(zeroed(noise_nl=noise, step_nl=1.0, zeroed=50), ZERO_UG + 500)
    assert (many.zeroed, many.zero_nl, many.heard_ms) == (50, SHOWN_NL + 10, 1_000)
    first = reads(zeroed(noise_nl=noise, step_nl=1.0, zeroed=0), ZERO_UG + 500)
    assert (first.zeroed, first.zero_nl) == (1, SHOWN_NL + 500)


@pytest.mark.parametrize(
    ("count", "off", "noise"), [(1, 2_000, 2_750.0), (9, 2_000, 2_950.0), (30, 4_000, 3_100.0), (50, 4_000, 3_100.0)]
)
def test_scatter_before_the_start_follows_over_twenty_readings(count: int, off: int, noise: float) -> None:
    """A mean difference from the zero is four fifths of a standard deviation."""
    seen = reads(zeroed(zeroed=count, step_nl=1.0), ZERO_UG + off)
    assert seen.noise_nl == pytest.approx(noise)
    calm = reads(zeroed(zeroed=1, noise_nl=120.0, step_nl=1.0), ZERO_UG)
    assert calm.noise_nl == 100.0
    wild = reads(zeroed(zeroed=1, noise_nl=60_000.0, step_nl=1.0), ZERO_UG + 90_000)
    assert wild.noise_nl == 60_000.0


def test_the_first_reading_of_a_run_begins_with_what_is_known() -> None:
    """By the zero where there is one: no loss yet, as unsure as the zero is, and a rate to a tenth at least."""
    begun = reads(zeroed(noise_nl=1_000.0, step_nl=1.0), ZERO_UG, exposure=driven(0.0, least_s=0.0, most_s=0.2))
    assert begun.started
    assert (begun.lost_nl, begun.rate, begun.zero_nl, begun.missed_s) == (0.0, RATE, SHOWN_NL, (0.0, 0.0))
    assert begun.p_ll == pytest.approx(1 / (1 / 100_000 + 1 / 1e6), rel=1e-3)
    assert (begun.p_lr, begun.p_rr, begun.starts, begun.started_s) == (0.0, (RESTART * RATE) ** 2, 1, 0.0)
    assert begun.unsure_s == (0.0, 0.2)


def test_a_class_that_is_very_unsure_begins_as_unsure() -> None:
    """A rate that is known to half of it is not taken for surer because it starts."""
    reading = Reading(at_ms=1_000, doing=Doing.RUNNING, weight_ug=ZERO_UG)
    begun = balance_reads(zeroed(), reading, driven(0.0), rate=RATE, rate_sigma=0.5)
    assert begun.p_rr == (0.5 * RATE) ** 2


def test_a_balance_that_may_have_missed_the_start_says_so() -> None:
    """First heard in the run: what may have left more or less by then is not the balance's to say."""
    late = reads(UNWEIGHED, ZERO_UG, exposure=driven(60.0, least_s=50.0, most_s=75.0))
    assert (late.missed_s, late.unsure_s) == ((10.0, 15.0), (10.0, 15.0))
    unheard = reads(zeroed(), ZERO_UG, exposure=driven(0.0, starts=0, most_s=8.0))
    assert unheard.started
    assert not reads(zeroed(), ZERO_UG, exposure=driven(0.0, starts=0)).started


def test_a_new_start_forgets_the_rate_and_not_the_loss() -> None:
    """The rate is as unsure as four tenths of it, or more where it was, and goes with the loss no longer."""
    for p_rr in (100.0, 9e8):
        before = following(starts=1, p_rr=p_rr, p_lr=40.0, p_ll=5e5, noise_nl=1_000.0)
        again = reads(before, ZERO_UG, exposure=driven(100.0, starts=2))
        assert (again.starts, again.started_s) == (2, 100.0)
        assert (again.p_rr, again.p_lr) == (max(p_rr, (RESTART * RATE) ** 2), 0.0)
        assert reads(before, ZERO_UG, exposure=driven(100.0)).p_lr != 0.0


def test_what_a_new_start_leaves_by_the_first_reading_is_unsure_by_its_own_rate() -> None:
    """What loss and rate had in common before is over: the first second has the new rate's doubt alone."""
    before = following(p_rr=100.0, p_lr=1e5, step_nl=1.0)
    again = reads(before, ZERO_UG - 6_000, exposure=driven(101.0, starts=2))
    ahead = (RESTART * RATE) ** 2
    assert again.p_ll == pytest.approx(ahead * 1e6 / (ahead + 1e6), rel=1e-9)


def test_the_first_three_seconds_of_a_start_say_nothing_of_the_rate() -> None:
    """A mesh sweeps in them; after them a reading tells of both."""
    for since_s, told in ((2.9, False), (3.1, True)):
        before = following(started_s=100.0 - since_s, p_rr=100.0, p_lr=40.0, p_ll=5e5)
        seen = reads(before, ZERO_UG - 500, exposure=driven(100.0))
        assert (seen.p_lr != 0.0) is told
        assert (seen.p_rr == (RESTART * RATE) ** 2) is not told
        assert (seen.rate != RATE) is told


@pytest.mark.parametrize(("gap_s", "counts"), [(0.5, False), (0.51, True)])
def test_what_left_in_a_gap_says_nothing_of_the_rate(gap_s: float, counts: bool) -> None:
    """More than 3 uL that may have left unheard make the loss as unsure; less does not."""
    before = following(p_rr=100.0, p_lr=40.0, p_ll=5e5, step_nl=1.0)
    seen = reads(before, ZERO_UG, exposure=driven(100.0, least_s=100.0 - gap_s / 2, most_s=100.0 + gap_s / 2))
    assert (seen.p_lr == 0.0) is counts
    gain = (5e5 + counts * (gap_s * RATE) ** 2) / (5e5 + counts * (gap_s * RATE) ** 2 + 1e6)
    assert seen.p_ll == pytest.approx(gain * 1e6)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        ({"noise_nl": 100.0}, 6_000),
        ({}, 6_000),
        ({"noise_nl": 2_000.0}, 12_000),
        ({"heard_ms": 0}, 24_000),
        ({"heard_ms": 2_000}, 6_000),
        ({"p_ll": 3e6}, 12_000),
    ],
)
def test_a_jump_is_what_no_scatter_step_or_device_explains(change: dict[str, Any], most: int) -> None:
    """Beyond 6 mg, six times the scatter, four times the class's rate and 2.6 steps of the display."""
    before = following(**{"step_nl": 1.0, **change})
    for weight_ug, doubted in ((ZERO_UG - most, 0), (ZERO_UG - most - 1, 1), (ZERO_UG + most + 1, 1)):
        seen = reads(before, weight_ug, exposure=driven(100.0))
        assert (seen.doubted, seen.heard_ms) == (doubted, 1_000)


def test_a_coarse_display_jumps_by_its_steps() -> None:
    """Up to 2.6 steps of 10 mg are its own, also where its scatter is thought to be small."""
    before = following(step_nl=10_000.0, noise_nl=100.0, p_ll=0.0, shown_nl=SHOWN_NL - 200_000)
    for off, doubted in ((26_000, 0), (26_001, 1)):
        assert reads(before, ZERO_UG - off, exposure=driven(100.0)).doubted == doubted


def test_a_doubt_ends_where_a_reading_fits_again() -> None:
    """What was doubted is over; scatter is never thought less than a tenth of a milligram, nor than a step hides."""
    seen = reads(following(doubted=2, doubt_nl=9_000.0, step_nl=1.0), ZERO_UG, exposure=driven(100.0))
    assert seen.doubted == 0
    assert seen.readings == 501
    calm = following(noise_nl=100.0, step_nl=1.0)
    for _ in range(3):
        calm = reads(calm, ZERO_UG, exposure=driven(100.0))
    assert (calm.noise_nl, calm.p_rr) == (100.0, 0.0)
    coarse = reads(following(noise_nl=450.0, step_nl=1_000.0), ZERO_UG, exposure=driven(100.0))
    assert coarse.noise_nl == 450.0


def stood(size_nl: int, for_ms: int, count: int = 2, **changes: Any) -> Weighed:
    """Return the filter after a jump of so much less weight that stood so long, in one reading more than `count`."""
    before = following(doubted=count, doubt_nl=float(size_nl), doubt_ms=1_000, step_nl=1.0, heard_ms=900)
    return reads(before._replace(**changes), ZERO_UG - size_nl, at_ms=1_000 + for_ms, exposure=driven(100.0))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("size", "must_ms", "spilled"),
    [
        (50_000, 0, 0),
        (119_999, 0, 0),
        (120_000, 2_500, 120_000),
        (9_999_999, 2_500, 9_999_999),
        (10_000_000, 20_000, 0),
    ],
)
def test_a_jump_moves_the_zero_once_it_stood(size: int, must_ms: int, spilled: int, side: int) -> None:
    """A drip at once and a hose are noise; a spill or a top-up after 2.5 s is counted; a hand only moves the zero."""
    if must_ms:
        early = stood(side * size, must_ms - 1)
        assert (early.zero_nl, early.doubted, early.doubt_ms) == (SHOWN_NL, 3, 1_000)
    late = stood(side * size, must_ms)
    assert (late.zero_nl, late.doubted, late.heard_ms) == (SHOWN_NL - side * size, 0, 1_000 + must_ms)
    assert (late.lighter_nl, late.heavier_nl) == ((spilled, 0) if side > 0 else (0, spilled))
    assert spilled_nl(late) == side * spilled
    assert late.jumped_nl2 == (float(size) ** 2 if size < BIG_STEP_NL else 0.0)
    assert late.p_ll == pytest.approx(following().p_ll + 1_000.0**2)


def test_one_or_two_readings_are_no_jump() -> None:
    """Three in a row must agree, within six times the scatter; what does not agree begins anew."""
    assert stood(50_000, 0, count=1).doubted == 2
    assert stood(50_000, 0, doubt_nl=44_001.0).doubted == 0
    other = stood(50_000, 0, doubt_nl=44_000.0)
    assert (other.doubted, other.doubt_nl, other.doubt_ms) == (1, 50_000.0, 1_000)
    assert stood(50_000, 300, doubt_nl=44_000.0).doubt_ms == 1_300


@pytest.mark.parametrize(("size", "grows"), [(11_999, True), (12_000, False), (7_000, True)])
def test_a_balance_that_scatters_more_than_was_thought_is_not_left_out_for_ever(size: int, grows: bool) -> None:
    """A reading up to twice what would be a jump makes the scatter a little wider; a greater one, or one again, not."""
    first = stood(size, 0, count=0)
    assert (first.noise_nl > 1_000.0) is grows
    if grows:
        assert first.noise_nl == pytest.approx(math.sqrt(1e6 + 0.02 * 4_000.0**2))
    assert stood(size, 0, count=1).noise_nl == 1_000.0


@pytest.mark.parametrize(
    ("lighter", "heavier", "spilled"),
    [(120_000, 0, 120_000), (0, 120_000, -120_000), (119_999, 0, 0), (500_000, 400_000, 0), (0, 119_999, 0)],
)
def test_a_cup_that_was_lifted_and_put_back_spilled_nothing(lighter: int, heavier: int, spilled: int) -> None:
    """What went and what came are set against each other; less than 0.12 mL of difference is none."""
    assert spilled_nl(UNWEIGHED._replace(lighter_nl=lighter, heavier_nl=heavier)) == spilled


def test_the_largest_jump_that_scatter_hides() -> None:
    """Six milligrams, six times the scatter, or 2.6 steps of the display, whichever is most."""
    assert unseen_nl(UNWEIGHED._replace(noise_nl=10.0)) == 6_000
    assert unseen_nl(UNWEIGHED._replace(noise_nl=2_000.0)) == 12_000
    assert unseen_nl(UNWEIGHED._replace(noise_nl=10.0, step_nl=10_000.0)) == 26_000


@pytest.mark.parametrize(("step", "hidden"), [(25_000.0, 0.0), (25_001.0, HIDDEN * 25_001)])
def test_what_left_is_as_unsure_as_scale_scatter_and_steps_make_it(step: float, hidden: float) -> None:
    """Steps coarser than a balance scatters are not averaged out; a running device is a lag ahead of its balance."""
    seen = following(lost_nl=600_000.0, step_nl=step, noise_nl=1_000.0, p_ll=4e6, jumped_nl2=1e8)
    gone, sigma = lost(seen, 100.0, RATE, runs=False)
    assert gone == pytest.approx(600_000 / DENSITY)
    assert sigma == pytest.approx(
        math.sqrt(4e6 + hidden**2 + 4_800.0**2 + FLOOR_NL**2 + 6_000.0**2 + 300.0**2), rel=1e-12
    )
    running = lost(seen, 100.0, RATE, runs=True)
    assert running == (pytest.approx((600_000 + LAG_S * RATE) / DENSITY), sigma)
    assert lost(seen._replace(lost_nl=-50.0), 100.0, RATE, runs=False)[0] == 0.0


def test_between_its_readings_the_last_rate_goes_on_less_and_less_sure() -> None:
    """A balance that is not heard for ten seconds: what it should have lost since, and its rate's own doubt."""
    seen = following(lost_nl=600_000.0, p_ll=0.0, p_rr=10_000.0, step_nl=1.0)
    gone, sigma = lost(seen, 110.0, RATE, runs=False)
    assert gone == pytest.approx(660_000 / DENSITY)
    assert sigma == pytest.approx(math.sqrt(1e6 + (0.008 * 660_000) ** 2 + FLOOR_NL**2 + 300.0**2))
    assert lost(seen, 90.0, RATE, runs=False)[0] == pytest.approx(600_000 / DENSITY)
