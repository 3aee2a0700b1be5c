"""A charge that the device's own running contradicts, or that was spilled or topped up in mid-dose."""

from typing import Any

import pytest

from nebctl.core.dose import Code, Doing, Reading, settle, track
from nebctl.core.verify import Limits, Verdict, judge

LIMITS = Limits(lower_nl=2_700_000, upper_nl=3_150_000)


@pytest.mark.req("S54")
def test_a_run_that_the_charge_cannot_explain_leaves_nothing_certain(dosing: Any) -> None:
    """3 mL that ran as long as 4.5 mL was more than 3 mL: never complete, and the interval begins at nothing."""
    estimate = dosing.ran(710, dry=True)
    assert Code.CHARGE_CONTRADICTED in estimate.found
    for residual in (dosing.left(100_000), None):
        settled = settle(estimate, dosing.charged(), residual, dosing.calibrated)
        assert (settled.complete, settled.partial, settled.contradiction) == (False, False, True)
        assert settled.final.low_nl == 0
        assert judge(settled.final, LIMITS) is Verdict.UNCERTAIN


@pytest.mark.req("S54")
@pytest.mark.parametrize("at_s", [60, 200, 300])
def test_a_spill_that_nobody_weighs_is_found_by_a_calibrated_time(dosing: Any, at_s: int) -> None:
    """1 mL spilled unseen: the mesh runs dry a third too early, the cup is empty, and the record is not WITHIN."""
    early_s = 300 + at_s / 600  # 2 mL less what stays, at 6333 nL/s
    estimate = dosing.ran(early_s, dry=True)
    settled = settle(estimate, dosing.charged(), dosing.left(100_000), dosing.calibrated)
    assert settled.contradiction
    assert not settled.complete
    assert settled.final.low_nl <= 1_900_000 <= settled.final.high_nl
    assert judge(settled.final, LIMITS) is Verdict.UNCERTAIN


@pytest.mark.req("S17")
@pytest.mark.req("S54")
@pytest.mark.parametrize("seconds", [200, 300, 400, 470, 560])
def test_a_class_rate_bears_no_witness(dosing: Any, seconds: int) -> None:
    """Without calibration and balance, dry and a small residual are one witness twice: never COMPLETE, never WITHIN,
    for what is not in the cup need not have left as aerosol.
    """
    estimate = dosing.ran(seconds, dosing.unknown, dry=True)
    for residual in (dosing.left(100_000), None):
        settled = settle(estimate, dosing.charged(), residual, dosing.unknown)
        assert not settled.complete
        assert judge(settled.final, LIMITS) is not Verdict.WITHIN


@pytest.mark.req("S17")
def test_a_balance_and_dryness_are_two_witnesses(dosing: Any) -> None:
    """A mesh that nobody calibrated is complete by its weight and its dryness, also without a residual; the weight
    alone, of a run that was stopped there, completes nothing, and neither does a dry cup that lost too little.
    """
    whole = dosing.follow(weighed_run(dosing, 459))
    dry = Reading(at_ms=459_000, doing=Doing.OFF, dry=True)
    for residual in (None, dosing.left(96_000)):
        settled = settle(
            track(whole, dry, dosing.charged(), dosing.unknown), dosing.charged(), residual, dosing.unknown
        )
        assert (settled.complete, set(settled.witnesses) >= {"dry", "weight"}) == (True, True)
        assert not settle(whole, dosing.charged(), residual, dosing.unknown).complete
    early = track(dosing.follow(weighed_run(dosing, 300)), dry, dosing.charged(), dosing.unknown)
    assert not settle(early, dosing.charged(), None, dosing.unknown).complete


@pytest.mark.req("S54")
@pytest.mark.parametrize(("poured_ug", "added_nl"), [(-1_000_000, 0), (1_000_000, 1_000_000)])
def test_a_step_of_the_weight_is_found_within_seconds(dosing: Any, poured_ug: int, added_nl: int) -> None:
    """1 mL that leaves or enters the cup in one go is found by the balance, counted, and makes WITHIN impossible; what
    was added widens what can have been emitted.
    """
    estimate = dosing.follow(weighed_run(dosing, 90))
    assert estimate.found == ()
    for reading in weighed_run(dosing, 96, moved_ug=poured_ug, from_s=90):
        estimate = track(estimate, reading, dosing.charged(), dosing.calibrated)
    assert Code.WEIGHT_STEP in estimate.found
    assert abs(estimate.added_nl - added_nl) < 20_000
    settled = settle(estimate, dosing.charged(), dosing.left(100_000), dosing.calibrated)
    assert settled.contradiction
    assert settled.final.high_nl >= 3_060_000 + estimate.added_nl
    assert judge(settled.final, LIMITS) is Verdict.UNCERTAIN


@pytest.mark.req("S54")
@pytest.mark.parametrize("added_nl", [1_000_000, 1_500_000, 2_000_000])
def test_a_run_that_outlasts_its_charge_says_how_much_was_loaded(dosing: Any, added_nl: int) -> None:
    """Without a balance the time at a calibrated rate says what a top-up was: the upper bound holds all of it."""
    emitted_nl = 3_000_000 + added_nl - 96_000
    estimate = dosing.ran(emitted_nl / 6_333 + 1, dry=True)
    settled = settle(estimate, dosing.charged(), dosing.left(96_000), dosing.calibrated)
    assert settled.contradiction
    assert settled.final.high_nl == 3_060_000 + settled.added_nl
    assert emitted_nl <= settled.final.high_nl <= 1.15 * emitted_nl
    assert judge(settled.final, LIMITS) is Verdict.UNCERTAIN


@pytest.mark.req("S54")
@pytest.mark.parametrize("added_nl", [10_000, 400_000])
@pytest.mark.parametrize("seconds", [100, 470])
def test_a_top_up_that_a_person_declares_leaves_nothing_certain(dosing: Any, added_nl: int, seconds: int) -> None:
    """However little was added and whatever is left: nothing below, all that was loaded above, and never WITHIN."""
    estimate = dosing.ran(seconds, dry=seconds > 400)
    for residual in (dosing.left(100_000), None):
        topped_up = dosing.around(added_nl, 5_000)
        settled = settle(estimate, dosing.charged(), residual, dosing.calibrated, topped_up=topped_up)
        assert not settled.complete
        assert (settled.final.low_nl, settled.final.high_nl) == (0, 3_060_000 + added_nl + 5_000)
        assert judge(settled.final, LIMITS) is Verdict.UNCERTAIN


@pytest.mark.req("S54")
def test_of_balance_and_person_the_greater_top_up_counts(dosing: Any) -> None:
    """The balance saw 1 mL come in: a person who says less does not lower the bound, one who says more raises it."""
    estimate = dosing.follow(weighed_run(dosing, 90))
    for reading in weighed_run(dosing, 96, moved_ug=1_000_000, from_s=90):
        estimate = track(estimate, reading, dosing.charged(), dosing.calibrated)
    for said_nl, top_nl in ((200_000, 3_060_000 + estimate.added_nl), (2_000_000, 5_060_000)):
        topped_up = dosing.around(said_nl, 0)
        settled = settle(estimate, dosing.charged(), None, dosing.calibrated, topped_up=topped_up)
        assert settled.final.high_nl == top_nl


def test_what_jumps_is_not_emitted(dosing: Any) -> None:
    """The estimate before and after a spill of 1 mL differs by what the mesh emits in those seconds."""
    before = dosing.follow(weighed_run(dosing, 90))
    after = dosing.follow(weighed_run(dosing, 100, moved_ug=-1_000_000, from_s=90), estimate=before)
    assert 40_000 < after.emitted.best_nl - before.emitted.best_nl < 90_000


@pytest.mark.parametrize("lasts_s", [1, 2])
def test_a_hand_on_the_pan_is_no_spill(dosing: Any, lasts_s: int) -> None:
    """A push of 300 g for a second or two goes by: no finding, and the estimate is where it would have been."""
    estimate = dosing.follow(weighed_run(dosing, 90))
    estimate = dosing.follow(weighed_run(dosing, 90 + lasts_s, moved_ug=300_000_000, from_s=90), estimate=estimate)
    estimate = dosing.follow(weighed_run(dosing, 120, from_s=90 + lasts_s), estimate=estimate)
    assert estimate.found == ()
    assert abs(estimate.emitted.best_nl - 6_333 * 120) < 25_000


def test_drips_move_the_zero_and_widen_the_interval(dosing: Any) -> None:
    """Drops of 20 mg every 3 s are not taken for less emission, are no spill, and make the interval wider."""
    dripped = dosing.follow(weighed_run(dosing, 240, drip_ug=20_000))
    still = dosing.follow(weighed_run(dosing, 240))
    assert Code.WEIGHT_STEP not in dripped.found
    assert dripped.emitted.low_nl <= 6_333 * 240 <= dripped.emitted.high_nl
    assert dripped.emitted.high_nl - dripped.emitted.low_nl > 2 * (still.emitted.high_nl - still.emitted.low_nl)


def weighed_run(
    dosing: Any, until_s: float, *, moved_ug: int = 0, from_s: float = 0, drip_ug: int = 0
) -> list[Reading]:
    """Return readings of a mesh on a balance that emits 6333 nL/s from the start on; `moved_ug` lies on the pan."""
    readings = []
    for reading in dosing.rows(until_s - from_s, after_ms=round(from_s * 1000)):
        seconds = reading.at_ms / 1000
        weight = 30_000_000 - round(6_333 * seconds) + moved_ug + drip_ug * int(seconds // 3)
        readings.append(Reading(at_ms=reading.at_ms, doing=Doing.RUNNING, weight_ug=weight + reading.at_ms % 7 * 300))
    return readings
