"""What the balance says of the rate: a quarter less is found, a drip on the pan and the end of a cup are no loss."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from nebctl.core.dose import Code, DoseEstimate, track
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.dose.slope import LEVEL, rate_of, unsure_of, with_point

RATE_UG_S, ZERO_UG = 6_333, 12_345_000
LOSS_S = 120.0
LOW, HIGH = Code.RATE_LOW, Code.RATE_HIGH


def weighed(seed: int, lost_ug: Any, seconds: float = 300.0, step_ug: int = 10_000) -> Iterator[Reading]:
    """Yield readings of a mesh on a balance that scatters by 4 mg and shows whole steps, 5 a second."""
    chance = Random(seed)
    for number in range(-25, round(seconds * 5)):
        at_s = number / 5
        shown = ZERO_UG - lost_ug(max(0.0, at_s)) + chance.gauss(0, 4_000)
        doing = Doing.RUNNING if at_s >= 0 else Doing.OFF
        yield Reading(at_ms=5_000 + round(at_s * 1000), doing=doing, weight_ug=round(shown / step_ug) * step_ug)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("drip_mg", [-45, -30, -20, 15, 20, 30, 45])
def test_a_drip_is_no_change_of_rate(dosing: Any, drip_mg: int, seed: int) -> None:
    """One drip that falls on the pan or off it, whether or not scatter hides it, raises no alarm of the rate."""
    found = dosing.follow(
        weighed(seed, lambda at_s: RATE_UG_S * at_s - drip_mg * 1_000 * (at_s > LOSS_S + seed)), dosing.calibrated
    ).found
    assert LOW not in found
    assert HIGH not in found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("share", "code"), [(0.75, LOW), (1.4, HIGH)])
def test_a_quarter_less_is_found_within_half_a_minute(dosing: Any, seed: int, share: float, code: Code) -> None:
    """A rate that falls by a quarter, or rises by two fifths, is told within 30 s of it and not before."""

    def lost(at_s: float) -> float:
        return RATE_UG_S * (min(at_s, LOSS_S) + share * max(0.0, at_s - LOSS_S))

    estimate, told = DoseEstimate(), None
    for reading in weighed(seed, lost):
        estimate = track(estimate, reading, dosing.charged(), dosing.calibrated)
        if code in estimate.found:
            told = reading.at_ms / 1000 - 5
            break
    assert told is not None
    assert LOSS_S < told < LOSS_S + 30


def test_a_device_that_leaves_a_third_slackens_at_its_own_end(dosing: Any) -> None:
    """A mesh whose cup keeps a third emits ever less before it is dry; that is its end and no loss of rate."""
    model = replace(dosing.calibrated, leaves_best_ppm=330_000, leaves_sigma_ppm=40_000, complete_left_ppm=400_000)

    def lost(at_s: float) -> float:
        full_s = 1_900_000 / RATE_UG_S
        return RATE_UG_S * min(at_s, full_s) + 80_000 * (1 - 2 ** (-max(0.0, at_s - full_s) / 6))

    found = dosing.follow(weighed(1, lost, seconds=325.0), model).found
    assert LOW not in found


def test_a_line_tells_its_rate_and_how_unsure_it_is() -> None:
    """The one-pass line through points on a straight has its rate; fewer than three points tell nothing of it."""
    line = LEVEL
    for number in range(50):
        line = with_point(line, 100 + number / 5, 7_000_000 + 4_000 * number / 5)
        if number == 1:
            assert unsure_of(line, 1_000) == float("inf")
    assert rate_of(line) == pytest.approx(4_000)
    assert line.began_s == 100
    assert unsure_of(line, 4_000) == pytest.approx(4_000 * (12 / 50) ** 0.5 / 10, rel=0.01)


def test_one_point_has_no_rate() -> None:
    """A line of one point, or of points at one moment, has no rate."""
    assert rate_of(with_point(LEVEL, 3.0, 100.0)) == 0.0
    assert rate_of(with_point(with_point(LEVEL, 3.0, 100.0), 3.0, 900.0)) == 0.0
