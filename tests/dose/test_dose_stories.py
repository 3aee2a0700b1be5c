"""Where one bell cannot say what may have happened, the interval holds what either story says."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import Doing, settle
from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.known import CHILLED_LESS, stories_of
from nebctl.core.dose.reading import Reading
from nebctl.core.dose.weight import DENSITY

LOADED_UG = 30_000_000


def weighed(seconds: int, rate: int, *, scatter_ug: int) -> Iterator[Reading]:
    """Yield a still cup, then one that loses `rate` nL/s, on a balance whose readings go up and down by so much."""
    for step in range(seconds * 5 + 25):
        gone_ug = max(0, step - 24) * rate // 5
        shown_ug = LOADED_UG - gone_ug + (scatter_ug if step % 2 else -scatter_ug)
        doing = Doing.RUNNING if step >= 24 else Doing.OFF
        yield Reading(at_ms=200 * step, doing=doing, weight_ug=shown_ug, temp_mc=22_000)


@pytest.mark.parametrize("seconds", [60, 180, 360])
def test_without_a_sensor_a_mesh_may_have_been_cold(dosing: Any, seconds: int) -> None:
    """Unless something tells the temperature, the interval reaches as low as a cold kit's volume, and no higher."""
    felt, unfelt = (dosing.follow(dosing.rows(seconds, temp_mc=told, dry=False)) for told in (22_000, None))
    emitted = 6_333 * seconds
    assert unfelt.emitted.low_nl < emitted * (1 - 0.5 * CHILLED_LESS) < felt.emitted.low_nl
    assert unfelt.emitted.high_nl == pytest.approx(felt.emitted.high_nl, rel=0.02)


@pytest.mark.req("S17")
def test_a_mesh_without_a_sensor_completes_as_a_thawed_one(dosing: Any) -> None:
    """Dry in a calibrated time is complete, whether or not something tells the temperature."""
    for told in (22_000, None):
        estimate = dosing.ran(460, dry=True, temp_mc=told)
        assert settle(estimate, dosing.charged(), None, dosing.calibrated).complete


def test_a_balance_may_hide_drips_and_never_the_other_way(dosing: Any) -> None:
    """The high end is further off than the low end, and the further the more a balance scatters."""
    fine, coarse = (dosing.follow(weighed(240, 6_333, scatter_ug=scatter)).emitted for scatter in (200, 5_000))
    assert coarse.high_nl - coarse.best_nl > 2 * (coarse.best_nl - coarse.low_nl)
    assert coarse.high_nl - coarse.best_nl > 1.5 * (fine.high_nl - fine.best_nl)
    assert coarse.low_nl == pytest.approx(fine.low_nl, rel=0.01)


def test_a_running_balance_shows_what_was_a_moment_ago(dosing: Any) -> None:
    """While liquid leaves, a little more has left than the balance shows; at rest it shows what is."""
    running = dosing.follow(weighed(120, 6_333, scatter_ug=200))
    shown_nl = 120 * 6_333
    assert shown_nl < running.known.weight[0] * DENSITY < shown_nl + 6_333
    last_ms = 200 * (120 * 5 + 24)
    still = dosing.follow(
        dosing.rows(10, Doing.PAUSED, after_ms=last_ms, weight_ug=LOADED_UG - shown_nl), estimate=running
    )
    assert still.known.weight[0] * DENSITY == pytest.approx(shown_nl, abs=1_000)


def test_a_weak_compressor_was_weak_before_or_is_weak_since(dosing: Any) -> None:
    """A calibrated jet with three quarters of its class's flow gives its calibrated volume, or that much less."""
    jet = replace(dosing.jet, sigma_ppm=40_000, calibrated=True)
    weak = Exposure(on_ms=60_000, starts=1, least_s=60.0, best_s=60.0, most_s=60.0, rows=1, flow=4_500.0)
    as_then, since = stories_of((100_000.0, 20_000.0), weak, jet)
    assert since[0] == pytest.approx(0.75 * as_then[0])
    assert as_then[2] + since[2] == 1.0
    sound = weak._replace(flow=5_900.0)
    assert stories_of((100_000.0, 20_000.0), sound, jet) == ((100_000.0, 20_000.0, 1.0),)
