"""The estimator against the simulated cups: what it claims holds the truth, unit by unit."""

import pytest

from nebctl.core.dose import NOTHING, Charge, Doing, DoseEstimate, Interval, Method, Reading, Residual, settle, track
from nebctl_drivers.priors import JET
from nebctl_simulators.jet.cup import AL_PER_NL, WHOLE_PPM, Cup, advance, draw, duty_ppm, pour
from nebctl_simulators.jet.presets import build_unit, draw_load

SECOND = 1_000_000_000
FILL_NL = 3_000_000
CHARGE = Charge(
    volume=Interval(low_nl=2_940_000, best_nl=FILL_NL, high_nl=3_060_000), method=Method.WEIGHED, vial_emptied=True
)
STEP_S = 2


def test_the_interval_holds_the_truth_on_most_units() -> None:
    """Over 100 units without a calibration, at every 30 s of a run until the end, the interval holds the truth in 92 of
    100 readings at least.
    """
    held = total = 0
    for seed in range(100):
        cup, estimate = filled(seed), NOTHING
        for step in range(1, 120):
            cup = advance(cup, STEP_S * SECOND, WHOLE_PPM)
            estimate = track(estimate, Reading(at_ms=step * STEP_S * 1000, doing=Doing.RUNNING), CHARGE, JET)
            if step % 15 == 0:
                held += estimate.emitted.low_nl <= cup.emitted_al // AL_PER_NL <= estimate.emitted.high_nl
                total += 1
    assert held >= 0.92 * total


@pytest.mark.req("S17")
def test_the_settled_interval_holds_the_truth() -> None:
    """After a run to a minute into its sputter and a residual drawn to 0.03 mL the interval holds what was emitted on
    93 of 100 units at least, and it is UNDER 90 % of 3 mL on all of them.
    """
    held = 0
    for seed in range(100):
        cup, estimate = run_to_its_end(seed)
        truth = cup.emitted_al // AL_PER_NL
        _, left_nl = draw(cup)
        residual = Residual(
            volume=Interval(low_nl=left_nl - 30_000, best_nl=left_nl, high_nl=left_nl + 30_000), method=Method.DRAWN
        )
        settled = settle(estimate, CHARGE, residual, JET)
        held += settled.final.low_nl <= truth <= settled.final.high_nl
        assert settled.final.high_nl < 2_700_000
    assert held >= 93


def run_to_its_end(seed: int) -> tuple[Cup, DoseEstimate]:
    """Return cup and estimate of one unit that was stopped a minute after its sputter began."""
    cup, estimate, sputter_s, at_s = filled(seed), NOTHING, 0, 0
    while sputter_s < 60:
        cup, at_s = advance(cup, STEP_S * SECOND, WHOLE_PPM), at_s + STEP_S
        estimate = track(estimate, Reading(at_ms=at_s * 1000, doing=Doing.RUNNING), CHARGE, JET)
        sputter_s += STEP_S if duty_ppm(cup) < WHOLE_PPM else 0
    return cup, track(estimate, Reading(at_ms=at_s * 1000 + 200, doing=Doing.OFF, dry=True), CHARGE, JET)


def filled(seed: int) -> Cup:
    """Return a fresh charge in the cup of one unit."""
    unit = build_unit("jet.lc", seed)
    load = draw_load(unit, 1)
    return pour(Cup(size_nl=unit.cup_nl, load=load), FILL_NL, load)
