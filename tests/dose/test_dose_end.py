"""The end of a dose: what counts as evidence, what is premature, what is complete."""

from typing import Any

import pytest

from nebctl.core.dose import NOTHING, Code, Doing, Reading, ran_dry_early, settle, track
from nebctl.core.verify import Limits, Verdict, judge
from nebctl_drivers.priors import PRESETS

WHOLE_S = 459  # 3 mL less 3.2 % at 6333 nL/s


@pytest.mark.req("S17")
def test_a_calibrated_mesh_that_runs_dry_in_time_is_complete(dosing: Any) -> None:
    """Dry after the calibrated time: complete by two witnesses, and the anchor makes the interval narrow."""
    estimate = dosing.ran(WHOLE_S, dry=True)
    settled = settle(estimate, dosing.charged(), None, dosing.calibrated)
    assert (settled.complete, settled.witnesses) == (True, ("dry", "calibrated-time"))
    assert settled.final.low_nl <= 2_904_000 <= settled.final.high_nl
    assert settled.final.high_nl - settled.final.low_nl < 400_000


@pytest.mark.req("S17")
def test_a_timer_alone_completes_nothing(dosing: Any) -> None:
    """The calibrated time without the device's own end, with or without an empty cup, is not complete."""
    estimate = dosing.ran(WHOLE_S)
    for residual in (None, dosing.left(100_000)):
        assert not settle(estimate, dosing.charged(), residual, dosing.calibrated).complete


@pytest.mark.req("S29")
@pytest.mark.parametrize(("seconds", "early"), [(150, True), (300, True), (370, True), (440, False), (459, False)])
def test_dry_with_much_left_is_a_premature_stop(dosing: Any, seconds: int, early: bool) -> None:
    """A calibrated mesh that says dry with a fifth or more left is premature; near its time it is not."""
    estimate = dosing.ran(seconds, dry=True)
    assert ran_dry_early(estimate) is early
    if early:
        assert not settle(estimate, dosing.charged(), None, dosing.calibrated).complete


@pytest.mark.req("S29")
def test_a_premature_stop_that_runs_on_is_none_any_more(dosing: Any) -> None:
    """After a tap the mesh runs on: the finding goes, the running counts on from where it was."""
    stopped = dosing.ran(200, dry=True)
    again = dosing.follow(dosing.rows(60, after_ms=210_000, dry=False), estimate=stopped)
    assert ran_dry_early(stopped)
    assert not ran_dry_early(again)
    assert again.emitted.best_nl == pytest.approx(6_333 * 260, rel=0.02)


def test_a_dry_signal_that_flickers_is_not_believed(dosing: Any) -> None:
    """A single dry reading of a mesh that runs on wet is no evidence; one that stands for a second is."""
    estimate = dosing.ran(100, dry=False)
    flicker = [Reading(at_ms=100_200 + i * 200, doing=Doing.RUNNING, dry=i % 4 == 0) for i in range(40)]
    estimate = dosing.follow(flicker, estimate=estimate)
    assert not estimate.dry
    assert dosing.follow(dosing.rows(2, after_ms=109_000, dry=True), estimate=estimate).dry


def test_a_mesh_without_a_dry_signal_is_dry_by_its_current(dosing: Any) -> None:
    """A current that falls to a quarter for 3 s is end-of-dose evidence; one that falls to nothing is not."""
    wet = dosing.ran(100, drive_ua=83_000)
    assert dosing.follow(dosing.rows(4, after_ms=100_000, drive_ua=21_000), estimate=wet).dry
    assert not dosing.follow(dosing.rows(4, after_ms=100_000, drive_ua=1_000), estimate=wet).dry
    assert not dosing.follow(dosing.rows(2, after_ms=100_000, drive_ua=21_000), estimate=wet).dry


def test_a_dry_mesh_that_is_driven_on_emits_nothing_more(dosing: Any) -> None:
    """A minute of driving after the dry signal adds nothing."""
    dry = dosing.follow(dosing.rows(3, after_ms=459_000, dry=True), estimate=dosing.ran(WHOLE_S, dry=False))
    longer = dosing.follow(dosing.rows(60, after_ms=462_000, dry=True), estimate=dry)
    assert longer.on_ms - dry.on_ms < 1_000
    assert longer.emitted == dry.emitted


@pytest.mark.req("S33")
def test_a_residual_that_tracking_excludes_spans_both(dosing: Any) -> None:
    """Where residual and tracking exclude each other, the interval holds both, and nothing is complete."""
    estimate = dosing.ran(WHOLE_S, dry=True)
    settled = settle(estimate, dosing.charged(), dosing.left(2_500_000), dosing.calibrated)
    assert settled.contradiction
    assert not settled.complete
    assert settled.final.low_nl <= 500_000
    assert settled.final.high_nl >= estimate.emitted.high_nl


@pytest.mark.req("S33")
def test_dry_may_lower_the_best_and_says_so(dosing: Any) -> None:
    """A mesh that says dry in mid-run may be taken back a little, with the witness on record."""
    running = dosing.ran(420)
    stopped = track(running, Reading(at_ms=420_200, doing=Doing.OFF, dry=True), dosing.charged(), dosing.calibrated)
    assert stopped.emitted.low_nl < running.emitted.low_nl or stopped.emitted.best_nl != running.emitted.best_nl
    for fall in stopped.falls:
        assert fall.witness == "dry"
        assert fall.after.low_nl < fall.before.low_nl or fall.after.best_nl < fall.before.best_nl


@pytest.mark.req("S28")
def test_a_lost_rate_is_found_by_the_balance(dosing: Any) -> None:
    """A quarter of the rate lost at 150 s is found within 30 s of it; a steady run finds nothing."""
    found_ms = None
    estimate = dosing.follow([])
    lost_nl = 0.0
    for reading in dosing.rows(260):
        lost_nl += 6_333 * 0.2 * (0.75 if reading.at_ms > 150_000 else 1)
        weight = 30_000_000 - round(lost_nl) + reading.at_ms % 7 * 2_000
        told = Reading(at_ms=reading.at_ms, doing=Doing.RUNNING, weight_ug=weight)
        estimate = track(estimate, told, dosing.charged(), dosing.calibrated)
        if Code.RATE_LOW in estimate.found and found_ms is None:
            found_ms = reading.at_ms
    assert found_ms is not None
    assert 150_000 < found_ms <= 180_000


@pytest.mark.req("S17")
@pytest.mark.parametrize("preset", ["mesh.solo", "mesh.innospire", "mesh.omron"])
def test_a_class_s_rate_never_proves_a_whole_dose(dosing: Any, preset: str) -> None:
    """Whenever an uncalibrated mesh without a balance runs dry, with its residual or without, it may have been spilled.

    So the dose is neither COMPLETE nor WITHIN, however long a slow mesh took for it.
    """
    model, charge, estimate = PRESETS[preset], dosing.charged(), NOTHING
    limits, judged = Limits(lower_nl=2_700_000, upper_nl=3_150_000), []
    for number, reading in enumerate(dosing.rows(1_500)):
        estimate = track(estimate, reading, charge, model)
        if number % 50:
            continue
        dry = track(estimate, Reading(at_ms=reading.at_ms + 200, doing=Doing.OFF, dry=True), charge, model)
        for residual in (None, dosing.left(100_000)):
            settled = settle(dry, charge, residual, model)
            judged.append((judge(settled.final, limits), settled.complete))
    assert (Verdict.UNCERTAIN, False) in judged
    assert [each for each in judged if each[0] is Verdict.WITHIN or each[1]] == []
