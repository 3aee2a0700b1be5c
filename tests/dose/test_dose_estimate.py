"""The estimate: bounds that hold, that fall only for a named reason, and that are rounded against the claim."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.dose import (
    NOTHING,
    Charge,
    Code,
    DeviceModel,
    Doing,
    Interval,
    Kind,
    Method,
    Reading,
    Residual,
    balance,
    replay,
    seconds_left,
    settle,
    track,
)
from nebctl.core.dose.replay import SENTENCES, Finding, Row

VOLUMES = st.integers(0, 6_000_000)
INTERVALS = (
    st.tuples(VOLUMES, VOLUMES, VOLUMES).map(sorted).map(lambda v: Interval(low_nl=v[0], best_nl=v[1], high_nl=v[2]))
)
CHARGES = INTERVALS.map(lambda v: Charge(volume=v, method=Method.DECLARED, vial_emptied=True))
RESIDUALS = INTERVALS.map(lambda v: Residual(volume=v, method=Method.DRAWN))
MODELS = st.builds(
    DeviceModel,
    name=st.just("any"),
    kind=st.sampled_from(Kind),
    rate_nl_per_s=st.integers(100, 100_000),
    sigma_ppm=st.integers(1_000, 500_000),
    leaves_nl=st.integers(0, 1_500_000),
    aerosol_share_low_ppm=st.integers(400_000, 600_000),
    aerosol_share_best_ppm=st.integers(600_000, 800_000),
    aerosol_share_high_ppm=st.integers(800_000, 1_000_000),
    operator_ends=st.booleans(),
    calibrated=st.booleans(),
)


def maybe(values: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    """Return values that a device may not tell."""
    return st.none() | values


READINGS = st.lists(
    st.builds(
        Reading,
        at_ms=st.integers(0, 2_000_000),
        doing=st.sampled_from(Doing),
        drive_ua=maybe(st.integers(0, 200_000)),
        temp_mc=maybe(st.integers(-5_000, 45_000)),
        gas_sccm=maybe(st.integers(0, 12_000)),
        pressure_pa=maybe(st.integers(0, 400_000)),
        weight_ug=maybe(st.integers(-400_000_000, 400_000_000)),
        dry=st.none() | st.booleans(),
    ),
    max_size=12,
).map(lambda readings: sorted(readings, key=lambda reading: reading.at_ms))


def ordered(interval: Interval, top_nl: int) -> bool:
    """Return whether 0 <= low <= best <= high <= the most that was loaded."""
    return 0 <= interval.low_nl <= interval.best_nl <= interval.high_nl <= top_nl


@settings(deadline=None)
@given(charge=CHARGES, model=MODELS, readings=READINGS, residual=st.none() | RESIDUALS)
@pytest.mark.req("S33")
def test_bounds_are_ordered_capped_and_fall_only_for_a_named_witness(
    charge: Charge, model: DeviceModel, readings: list[Reading], residual: Residual | None
) -> None:
    """Whatever the device says, bounds are ordered and capped by what was loaded; low and best fall only together with
    a record of the witness, of before and after; the settled dose is ordered and capped too.
    """
    estimates = [NOTHING]
    for reading in readings:
        estimates.append(track(estimates[-1], reading, charge, model))
    for before, after in pairwise(estimates):
        assert ordered(after.emitted, charge.volume.high_nl + after.added_nl)
        fell = after.emitted.low_nl < before.emitted.low_nl or after.emitted.best_nl < before.emitted.best_nl
        assert fell is (after.falls[-1:] != before.falls[-1:])
        if fell:
            assert after.falls[-1].witness in {"dry", "not-dry", "weight"}
            assert (after.falls[-1].before, after.falls[-1].after) == (before.emitted, after.emitted)
    settled = settle(estimates[-1], charge, residual, model)
    assert ordered(settled.final, charge.volume.high_nl + max(settled.added_nl, estimates[-1].added_nl))
    assert settled.tracked == estimates[-1].emitted


@settings(deadline=None)
@given(charge=CHARGES, model=MODELS, readings=READINGS, residual=st.none() | RESIDUALS)
@pytest.mark.req("S17")
def test_complete_needs_the_end_and_a_witness_of_the_amount(
    charge: Charge, model: DeviceModel, readings: list[Reading], residual: Residual | None
) -> None:
    """COMPLETE is evidence of the end and one more witness that agrees: for a mesh a calibrated time or a weight, for a
    jet a weight or a residual. No timer completes a dose, nor does a device class's rate.
    """
    estimate = replay(readings, charge, model).estimate
    settled = settle(estimate, charge, residual, model)
    if settled.complete:
        assert estimate.dry
        assert not settled.contradiction
        assert not settled.partial
        amount = {"weight", "calibrated-time"} if model.kind is Kind.MESH else {"weight", "residual"}
        assert amount & set(settled.witnesses)
        assert {"dry", "sputter"} & set(settled.witnesses)


@settings(deadline=None)
@given(readings=READINGS, charge=CHARGES, model=MODELS)
def test_tracking_is_a_replay_of_its_readings(readings: list[Reading], charge: Charge, model: DeviceModel) -> None:
    """The same readings give the same estimate, bit for bit, whether they come one by one or as a trace."""
    estimate = NOTHING
    for reading in readings:
        estimate = track(estimate, reading, charge, model)
    again = replay(readings, charge, model)
    assert again.estimate == estimate
    assert len(again.rows) == len(readings)


def test_a_replay_tells_every_row_and_every_finding_once(dosing: Any) -> None:
    """As they came: a row for each reading, a finding at the row that brought it, and the dose as it is settled."""
    ended = [Reading(at_ms=at_ms, doing=Doing.OFF, dry=True) for at_ms in (150_200, 150_400)]
    told, left = [*dosing.rows(150), *ended], dosing.left(300_000)
    again = replay(told, dosing.charged(), dosing.calibrated, left)
    estimate = NOTHING
    for reading, row in zip(told, again.rows, strict=True):
        estimate = track(estimate, reading, dosing.charged(), dosing.calibrated)
        assert row == Row(at_ms=reading.at_ms, **estimate.emitted.as_json())
    early = Finding(at_ms=150_200, code="premature-dry", sentence=SENTENCES[Code.PREMATURE_DRY])
    assert again.findings == (early,)
    assert again.settled == settle(estimate, dosing.charged(), left, dosing.calibrated)
    assert again.settled != settle(estimate, dosing.charged(), None, dosing.calibrated)


@settings(deadline=None)
@given(charge=INTERVALS, residual=INTERVALS)
def test_the_balance_holds_every_pair_of_truths(charge: Interval, residual: Interval) -> None:
    """Whatever was loaded and left within the two intervals, what is gone lies within the balance."""
    found = balance(
        Charge(volume=charge, method=Method.WEIGHED, vial_emptied=True),
        Residual(volume=residual, method=Method.WEIGHED),
    )
    for loaded in (charge.low_nl, charge.best_nl, charge.high_nl):
        for stayed in (residual.low_nl, residual.best_nl, residual.high_nl):
            assert found.low_nl <= max(0, loaded - stayed) <= found.high_nl


def test_three_out_of_order_are_no_interval() -> None:
    """An interval out of order, or below nothing, is refused with what was seen."""
    for low, best, high in ((2, 1, 3), (1, 3, 2), (-1, 0, 1)):
        with pytest.raises(ValueError, match=f"{low}, {best}, {high} nL"):
            Interval(low_nl=low, best_nl=best, high_nl=high)


def test_before_the_first_start_nothing_has_been_emitted(dosing: Any) -> None:
    """Rows of a device that is off emit nothing, however many there are."""
    estimate = dosing.follow(dosing.rows(60, Doing.OFF, dry=False, weight_ug=50_000_000))
    assert (estimate.emitted.low_nl, estimate.emitted.best_nl, estimate.emitted.high_nl) == (0, 0, 0)
    assert estimate.rate_nl_per_s == 0


def test_a_pause_emits_nothing_and_costs_only_its_start(dosing: Any) -> None:
    """Two runs of 100 s with a pause between them emit as much as one of 200 s, less a second start at most."""
    first = dosing.follow(dosing.rows(100))
    paused = dosing.follow(dosing.rows(60, Doing.PAUSED, after_ms=100_000), estimate=first)
    again = dosing.follow(dosing.rows(100, after_ms=160_000), estimate=paused)
    whole = dosing.follow(dosing.rows(200))
    assert 0 <= paused.emitted.best_nl - first.emitted.best_nl <= 6_333 // 5  # it ended somewhere between two rows
    assert 0 <= whole.emitted.best_nl - again.emitted.best_nl <= 6_333


@pytest.mark.req("S16")
@pytest.mark.parametrize("spoken", [True, False])
def test_across_a_gap_the_interval_widens_to_what_could_have_happened(dosing: Any, spoken: bool) -> None:
    """Ten seconds unheard may have emitted for ten seconds or for none: low stands still, high goes on."""
    before = dosing.follow(dosing.rows(100))
    lost = [Reading(at_ms=100_200, doing=Doing.LOST)] if spoken else []
    heard = Reading(at_ms=110_000, doing=Doing.OFF)
    after = dosing.follow([*lost, heard], estimate=before)
    per_s = 6_333
    assert after.emitted.low_nl <= before.emitted.low_nl + per_s // 2
    assert after.emitted.high_nl >= before.emitted.high_nl + 9 * per_s
    width = before.emitted.high_nl - before.emitted.low_nl
    assert after.emitted.high_nl - after.emitted.low_nl >= width + 9 * per_s


def test_a_device_that_was_off_before_the_gap_emits_nothing_in_it(dosing: Any) -> None:
    """Nothing resumes by itself: a paused device that was not heard for a minute has emitted nothing more."""
    paused = dosing.follow(dosing.rows(10, Doing.PAUSED, after_ms=100_000), estimate=dosing.follow(dosing.rows(100)))
    unheard = [Reading(at_ms=110_200, doing=Doing.LOST), Reading(at_ms=170_000, doing=Doing.PAUSED)]
    assert dosing.follow(unheard, estimate=paused).emitted == paused.emitted


def test_a_cold_cup_gives_less_and_is_less_sure(dosing: Any) -> None:
    """At 4 C a mesh has emitted about a third less than at 25 C, and the interval is wider for its size."""
    warm, cold = dosing.ran(120, temp_mc=25_000).emitted, dosing.ran(120, temp_mc=4_000).emitted
    assert 0.6 < cold.best_nl / warm.best_nl < 0.68
    assert (cold.high_nl - cold.low_nl) / cold.best_nl > 1.2 * (warm.high_nl - warm.low_nl) / warm.best_nl


def test_time_left_counts_to_what_a_run_usually_emits(dosing: Any) -> None:
    """A calibrated mesh at 6333 nL/s is told to need about 460 s for 3 mL, and nothing while it is off."""
    assert 380 < (seconds_left(dosing.ran(60), dosing.charged()) or 0) < 410
    assert seconds_left(dosing.ran(60, dry=True), dosing.charged()) is None


def test_a_mesh_that_has_not_run_dry_cannot_have_emitted_it_all(dosing: Any) -> None:
    """After twice the usual time without a dry signal, the estimate stays within what the cup can give."""
    emitted = dosing.ran(900).emitted
    assert emitted.low_nl < 2_904_000
    assert emitted.high_nl <= 3_060_000


def test_the_state_does_not_grow(dosing: Any) -> None:
    """However long a session lasts, the estimate is made of the same few numbers."""
    short, long = dosing.follow(dosing.rows(30, weight_ug=10)), dosing.follow(dosing.rows(1_800, weight_ug=10))
    assert len(repr(long)) < len(repr(short)) + 2_000
    assert len(long.falls) <= 8


@pytest.mark.req("S16")
def test_what_was_not_heard_before_the_first_row_may_have_been_emitted(dosing: Any) -> None:
    """A trace that begins in mid-run, or unheard, or off and then unheard, says that anything may have left by then."""
    starts = (
        [Reading(at_ms=400_000, doing=Doing.RUNNING)],
        [Reading(at_ms=200, doing=Doing.LOST), Reading(at_ms=400_000, doing=Doing.RUNNING)],
        [
            Reading(at_ms=200, doing=Doing.OFF),
            Reading(at_ms=400, doing=Doing.LOST),
            Reading(at_ms=400_000, doing=Doing.OFF),
        ],
    )
    for readings in starts:
        emitted = dosing.follow(readings).emitted
        assert emitted.low_nl == 0
        assert emitted.high_nl >= 390 * 6_333
    dried = dosing.follow([*starts[0], *dosing.rows(100, after_ms=400_000)])
    dried = dosing.follow([Reading(at_ms=500_200, doing=Doing.OFF, dry=True)], estimate=dried)
    assert not dried.found
