"""What a dose's interval is made of, what a course adds up to, and what a device did against what it should."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.dose import NOTHING, Interval, Method, settle
from nebctl.core.dose.conduct import UNUSUAL, Conduct, conduct
from nebctl.core.dose.evidence import NO_EVIDENCE
from nebctl.core.dose.exposure import START_S, Exposure
from nebctl.core.dose.model import DeviceModel, model_of
from nebctl.core.dose.settle import Settled
from nebctl.core.dose.spread import GivenDose, Spread, spread_of, total

PARTS = st.integers(0, 200_000)
DOSES = st.lists(
    st.builds(
        lambda low, down, up, parts, names: GivenDose(
            emitted=Interval(low_nl=low, best_nl=low + down, high_nl=low + down + up),
            spread=None if parts is None else Spread(**dict(zip(SPREAD, parts, strict=True))),
            calibration=names[0],
            device=names[1],
            lot=names[2],
        ),
        st.integers(0, 3_000_000),
        st.integers(0, 300_000),
        st.integers(0, 300_000),
        st.none() | st.tuples(PARTS, PARTS, PARTS, PARTS),
        st.tuples(*[st.sampled_from(("", "a", "b"))] * 3),
    ),
    max_size=6,
)
SPREAD = ("calibration_nl", "device_nl", "lot_nl", "run_nl")


@settings(deadline=None)
@given(DOSES)
def test_a_course_is_never_less_sure_than_the_sum_of_its_doses(doses: list[GivenDose]) -> None:
    """The course's interval lies within the sums of the doses' bounds, holds the sum of the bests, and is ordered."""
    course = total(doses)
    assert course.best_nl == sum(dose.emitted.best_nl for dose in doses)
    assert sum(dose.emitted.low_nl for dose in doses) <= course.low_nl <= course.best_nl
    assert course.best_nl <= course.high_nl <= sum(dose.emitted.high_nl for dose in doses)


def given_five(shared_nl: int, run_nl: int, calibration: str) -> Interval:
    """Return five equal doses of 3 mL, unsure by these standard deviations."""
    half = math.ceil(1.96 * math.hypot(shared_nl, run_nl))
    dose = GivenDose(
        emitted=Interval(low_nl=2_900_000 - half, best_nl=2_900_000, high_nl=2_900_000 + half),
        spread=Spread(calibration_nl=shared_nl, device_nl=0, lot_nl=0, run_nl=run_nl),
        calibration=calibration,
    )
    return total([dose] * 5)


def test_what_is_shared_adds_up_and_what_is_not_does_not() -> None:
    """Five doses of one calibration are five times as unsure as one; five of runs of their own only 2.24 times."""
    shared, own = given_five(100_000, 0, "12"), given_five(0, 100_000, "12")
    assert (shared.high_nl - shared.low_nl) / (1.96 * 2 * 100_000) == pytest.approx(5, rel=1e-3)
    assert (own.high_nl - own.low_nl) / (1.96 * 2 * 100_000) == pytest.approx(math.sqrt(5), rel=1e-3)
    apart = given_five(100_000, 0, "")
    assert (apart.high_nl - apart.low_nl) == pytest.approx(own.high_nl - own.low_nl, rel=1e-3)


def test_a_course_holds_the_truth_as_often_as_it_says() -> None:
    """Over 2000 courses with one calibration error each and five run errors, 93 to 97 % of the totals are held."""
    chance, held = random.Random(20260214), 0
    for _ in range(2000):
        shared, doses, truth = chance.gauss(0, 90_000), [], 0.0
        for _ in range(5):
            told = 2_900_000 + shared + chance.gauss(0, 60_000)
            truth += 2_900_000
            half = 1.96 * math.hypot(90_000, 60_000)
            doses.append(
                GivenDose(
                    emitted=Interval(low_nl=int(told - half), best_nl=int(told), high_nl=int(told + half)),
                    spread=Spread(calibration_nl=90_000, device_nl=0, lot_nl=0, run_nl=60_000),
                    calibration="12",
                )
            )
        course = total(doses)
        held += course.low_nl <= truth <= course.high_nl
    assert 0.93 <= held / 2000 <= 0.97


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("method", list(Method))
def test_the_parts_make_up_the_whole(dosing: Any, drawn: bool, method: Method) -> None:
    """The parts of a dose's spread, by squares, are its interval's own standard deviation, to the rounding."""
    charge = replace(dosing.charged(), method=method)
    estimate, residual = dosing.ran(459, dry=True), dosing.left(100_000) if drawn else None
    final = settle(estimate, charge, residual, dosing.calibrated).final
    spread = spread_of(final, estimate, charge, residual, dosing.calibrated)
    whole = math.sqrt(sum(part**2 for part in spread.as_json().values()))
    assert whole == pytest.approx((final.high_nl - final.low_nl) / 3.92, rel=0.001)
    assert bool(spread.calibration_nl) is not drawn


@pytest.mark.parametrize(
    ("seconds", "residual_nl", "expected"),
    [
        (459, 100_000, Conduct.AS_EXPECTED),
        (200, 1_700_000, Conduct.STOPPED_EARLY),
        (432, 340_000, Conduct.LEFT_MUCH),
        (459, 2_600_000, Conduct.NOT_KNOWN),
    ],
)
def test_a_device_is_held_against_itself(dosing: Any, seconds: int, residual_nl: int, expected: Conduct) -> None:
    """Whole, early, with much left, or beyond explanation: the device's finding stands apart from the verdict."""
    estimate, residual = dosing.ran(seconds, dry=True), dosing.left(residual_nl)
    settled = settle(estimate, dosing.charged(), residual, dosing.calibrated)
    assert conduct(settled, estimate, dosing.charged(), residual, dosing.calibrated) is expected


@pytest.mark.parametrize(("rate", "expected"), [(7_800, Conduct.SLOW), (5_200, Conduct.FAST)])
def test_a_rate_that_is_not_the_devices_own_is_named(dosing: Any, rate: int, expected: Conduct) -> None:
    """3 mL in 459 s by a mesh that was calibrated to be a fifth faster, or slower, is slow, or fast."""
    model = replace(dosing.calibrated, rate_nl_per_s=rate, sigma_ppm=15_000)
    estimate = dosing.ran(459, model, dry=True)
    estimate = replace(estimate, found=())
    settled = replace(
        settle(dosing.ran(459, dry=True), dosing.charged(), dosing.left(100_000), dosing.calibrated), complete=True
    )
    assert conduct(settled, estimate, dosing.charged(), dosing.left(100_000), model) is expected


def test_a_device_that_was_stopped_is_not_finished(dosing: Any) -> None:
    """A run that somebody stopped says nothing of the device."""
    estimate = dosing.ran(200)
    settled = settle(estimate, dosing.charged(), None, dosing.calibrated)
    assert conduct(settled, estimate, dosing.charged(), None, dosing.calibrated) is Conduct.NOT_FINISHED


def test_a_model_is_told_whole(dosing: Any) -> None:
    """What a record tells of a model reads back as the same model; anything missing or odd is named."""
    models: tuple[DeviceModel, ...] = (dosing.calibrated, dosing.jet, dosing.unknown)
    for model in models:
        assert model_of(model.as_json(), None) == model
    told = dosing.calibrated.as_json()
    for broken in ({**told, "more": 1}, {**told, "kind": "steam"}, {**told, "sigma_ppm": True}, {"name": "mesh"}):
        with pytest.raises(ValueError, match="member"):
            model_of(broken, None)


@pytest.mark.parametrize(
    ("off", "found"),
    [
        (-1.001, Conduct.SLOW),
        (-0.999, Conduct.AS_EXPECTED),
        (0.0, Conduct.AS_EXPECTED),
        (0.999, Conduct.AS_EXPECTED),
        (1.001, Conduct.FAST),
    ],
)
def test_a_rate_is_the_device_s_own_up_to_its_limit(dosing: Any, off: float, found: Conduct) -> None:
    """The volume over the time in which it emitted, without its starts' sweeps, against 2.58 standard deviations."""
    model, driven_s = dosing.calibrated, 400.0
    limit = UNUSUAL * math.hypot(model.sigma_ppm, model.run_sigma_ppm) / 1e6
    final_nl = model.rate_nl_per_s * driven_s * math.exp(off * limit)
    ended = replace(
        NOTHING,
        exposure=Exposure(starts=3, best_s=driven_s + START_S + 0.8),
        evidence=NO_EVIDENCE._replace(dry=True),
    )
    assert conduct(a_settled(round(final_nl)), ended, dosing.charged(), None, model) is found


def a_settled(best_nl: int) -> Settled:
    """Return a dose that was settled at so much."""
    emitted = Interval(low_nl=0, best_nl=best_nl, high_nl=5_000_000)
    return Settled(final=emitted, tracked=emitted, witnesses=("dry",), complete=True, partial=False)


@pytest.mark.parametrize(("best_s", "best_nl"), [(0.0, 1), (START_S, 1), (60.0, 0)])
def test_no_rate_can_be_told_of_nothing(dosing: Any, best_s: float, best_nl: int) -> None:
    """A device that only swept, or of which nothing came, has no rate: not known, and no error."""
    ended = replace(NOTHING, exposure=Exposure(starts=1, best_s=best_s), evidence=NO_EVIDENCE._replace(dry=True))
    assert conduct(a_settled(best_nl), ended, dosing.charged(), None, dosing.calibrated) is Conduct.NOT_KNOWN
    short = replace(ended, exposure=Exposure(starts=1, best_s=START_S + 0.5))
    assert conduct(a_settled(1), short, dosing.charged(), None, dosing.calibrated) is Conduct.SLOW


def test_as_much_as_a_whole_run_may_leave_is_not_much(dosing: Any) -> None:
    """A residual that may be just at the limit is none beyond it."""
    ended = replace(NOTHING, evidence=NO_EVIDENCE._replace(dry=True))
    for above_nl, found in ((0, Conduct.AS_EXPECTED), (1, Conduct.LEFT_MUCH)):
        left = dosing.left(320_000 + above_nl)
        assert conduct(a_settled(1), ended, dosing.charged(), left, dosing.unknown) is found
