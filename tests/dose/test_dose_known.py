"""What driving time alone explains, what it may stand for, and when a bound may fall."""

import math
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import Interval
from nebctl.core.dose.evidence import NO_EVIDENCE, Evidence
from nebctl.core.dose.exposure import START_SIGMA_S, Exposure, start_delay_s
from nebctl.core.dose.falls import Fall, Moved, bounded
from nebctl.core.dose.known import NOTHING_KNOWN, WEAK_SIGMA, Known, by_time, cup_of, stories_of
from nebctl.core.dose.mesh import know_mesh
from nebctl.core.dose.slope import LEVEL, Slope, rate_of, unsure_of, with_point
from nebctl.core.dose.weight import UNWEIGHED

WEAK = Exposure(starts=1, best_s=300.0, gas_s=300.0, flow=3_000.0, flow_now=3_000.0)
"""A jet at half its class's flow."""


def test_time_that_did_not_run_explains_nothing(dosing: Any) -> None:
    """Nothing, to a nanolitre; within a mesh's first sweep it is still nothing, and as unsure as the sweep is long."""
    assert by_time(Exposure(), dosing.calibrated) == (0.0, 1.0)
    slow = replace(dosing.calibrated, rate_nl_per_s=1)
    assert by_time(Exposure(starts=1, best_s=1.0), slow) == (0.0, START_SIGMA_S)


def test_a_calibration_does_not_know_whether_its_compressor_was_weak(dosing: Any) -> None:
    """At half the flow a calibrated jet is far less sure than at the whole; without a calibration the class is."""
    calibrated = replace(dosing.jet, calibrated=True)
    mean, sigma = by_time(WEAK, dosing.jet)
    driven_s = 300.0 - start_delay_s(WEAK, dosing.jet.kind)[0]
    assert by_time(WEAK, calibrated)[0] == mean
    doubt = WEAK_SIGMA * 0.5 * dosing.jet.rate_nl_per_s * driven_s
    assert by_time(WEAK, calibrated)[1] == pytest.approx(math.hypot(sigma, doubt), rel=0.02)
    strong = WEAK._replace(flow=6_000.0)
    assert by_time(strong, calibrated) == by_time(strong, dosing.jet) == (mean, sigma)


def test_what_a_time_may_stand_for_is_shared_out(dosing: Any) -> None:
    """A weak compressor two stories, a kit that may be cold two, and else one; together they are sure."""
    calibrated = replace(dosing.jet, calibrated=True)
    ran = Exposure(starts=1, best_s=300.0)
    for model, seen, count in (
        (calibrated, WEAK, 2),
        (dosing.jet, WEAK, 1),
        (calibrated, ran, 1),
        (dosing.calibrated, ran, 2),
        (dosing.calibrated, ran._replace(felt=True), 1),
    ):
        stories = stories_of((1.0, 0.5), seen, model)
        assert len(stories) == count
        assert math.fsum(part for _, _, part in stories) == pytest.approx(1.0)
        assert stories_of((0.0, 0.5), seen, model) == ((0.0, 0.5, 1.0),)


def test_no_story_is_surer_than_a_nanolitre(dosing: Any) -> None:
    """Also where the whole doubt was the compressor's."""
    calibrated = replace(dosing.jet, calibrated=True)
    assert [sigma for _, sigma, _ in stories_of((900_000.0, 0.0), WEAK, calibrated)] == [1.0, 1.0]


def of_a_mesh(dosing: Any, time: tuple[float, float], *, gap: tuple[float, float] = (0.0, 0.0), **told: Any) -> Known:
    """Return what is known of a calibrated mesh with 3 mL that may still run."""
    said: dict[str, Any] = {"weight": None, "ended": False, "tells": True, **told}
    weight = said.pop("weight")
    cup = cup_of(dosing.charged(), dosing.calibrated, 0)
    return know_mesh(gap, time, ((*time, 1.0),), weight, 6_000.0, cup, dosing.calibrated, **said)


def test_no_more_left_than_was_filled_and_what_may_have_left_unheard(dosing: Any) -> None:
    """Whatever a balance says: the charge's own 95 % is the top, and what nobody heard comes on top of it."""
    top = 3_000_000 + 1.96 * 120_000 / 3.92
    seen = of_a_mesh(dosing, (3e6, 1e5), weight=(3.4e6, 1e4), gap=(9e6, 1_000.0), ended=True)
    assert seen.high == pytest.approx(top + 1_000)
    assert seen.best <= top
    assert seen.low == 0.0


@pytest.mark.parametrize(("sigma", "least"), [(0.499e6, 0.3e6), (0.5e6, 0.0)])
def test_a_time_that_is_unsure_by_half_may_have_been_nothing(dosing: Any, sigma: float, least: float) -> None:
    """Up to that a rate is never nothing; from there on not even the start is sure."""
    seen = of_a_mesh(dosing, (1e6, sigma))
    assert seen.low >= least
    assert (seen.low > 0.2e6) is (least > 0)


def test_a_dry_mesh_far_past_its_charge_gave_what_such_a_mesh_gives(dosing: Any) -> None:
    """Whatever its clock says: all that can leave, as unsure as that is, and neither more nor less sure."""
    cup = cup_of(dosing.charged(), dosing.calibrated, 0)
    for told in ({}, {"weight": (6e7, 1e4)}):
        seen = of_a_mesh(dosing, (6e7, 1e4), ended=True, **told)
        assert seen.best == pytest.approx(cup.available, rel=1e-6)
        for end, side in ((seen.low, -1), (seen.high, 1)):
            assert end == pytest.approx(cup.available + side * 1.96 * cup.available_sigma, rel=2e-3)


def line(*places: float) -> Slope:
    """Return a line of 4,000 nL/s through these moments."""
    through = LEVEL
    for at_s in places:
        through = with_point(through, at_s, 4_000 * at_s)
    return through


def test_three_points_of_half_a_second_tell_a_rate() -> None:
    """However short, by their scatter over the root of their spread; two points, or three at one moment, do not."""
    short = line(5.0, 5.2, 5.4)
    assert rate_of(short) == pytest.approx(4_000)
    assert unsure_of(short, 1_000) == pytest.approx(1_000 / math.sqrt(0.08))
    assert unsure_of(line(5.0, 5.2), 1_000) == unsure_of(line(5.0, 5.0, 5.0), 1_000) == math.inf


WAS = Interval(low_nl=80, best_nl=120, high_nl=150)


def moved(known: Known, evidence: Evidence = NO_EVIDENCE) -> Moved:
    """Return what one more reading made of an estimate, at a second of the trace."""
    return Moved(1_000, evidence, UNWEIGHED, known)


@pytest.mark.parametrize(
    ("weight", "high", "fell"),
    [
        ((100.0, 10.0), 140.0, False),
        ((99.0, 10.0), 140.0, True),
        ((110.0, 10.0), 80.0, False),
        ((110.0, 10.0), 79.0, True),
    ],
)
def test_a_balance_lowers_a_bound_where_it_stands_out(
    dosing: Any, weight: tuple[float, float], high: float, fell: bool
) -> None:
    """By more than two of its standard deviations below the best, or with a high end below what was the low one."""
    known = Known(low=10.0, best=20.0, high=high, weight=weight)
    emitted, fall = bounded(moved(known), WAS, dosing.charged(), dosing.calibrated, ended=False)
    assert (fall is not None) is fell
    if fall is not None:
        assert fall == Fall(at_ms=1_000, witness="weight", before=WAS, after=emitted)
    assert (emitted.low_nl, emitted.best_nl) == ((10, 20) if fell else (80, 120))


def test_what_may_have_left_is_at_most_what_was_loaded(dosing: Any) -> None:
    """The charge's own high end is the top, to the nanolitre, of a mesh and of a jet."""
    known = Known(low=0.0, best=2e6, high=9e6)
    for model in (dosing.calibrated, dosing.jet):
        emitted, fall = bounded(
            moved(known), Interval(low_nl=0, best_nl=0, high_nl=0), dosing.charged(), model, ended=False
        )
        assert (emitted.high_nl, fall) == (3_060_000, None)


def test_a_jet_s_bound_falls_to_what_was_loaded_and_a_mesh_s_by_what_it_weighs(dosing: Any) -> None:
    """Where more had been thought to have left than was loaded, a mesh's weight must say so itself."""
    was = Interval(low_nl=4_000_000, best_nl=4_000_000, high_nl=4_000_000)
    known = Known(low=1e6, best=2e6, high=5e6, weight=(4e6, 1e4))
    jet = bounded(moved(known), was, dosing.charged(), dosing.jet, ended=False)[1]
    assert jet is not None
    assert jet.witness == "weight"
    assert bounded(moved(known), was, dosing.charged(), dosing.calibrated, ended=False)[1] is None


def test_dry_that_came_or_did_not_lowers_a_bound(dosing: Any) -> None:
    """Its coming, its going, and its not coming in time are each a witness by name."""
    dry = NO_EVIDENCE._replace(dry=True)
    lower = NOTHING_KNOWN._replace(low=1.0, best=2.0, high=3.0)
    for seen, ended, late, witness in (
        (dry, False, False, "dry"),
        (NO_EVIDENCE, True, False, "not-dry"),
        (NO_EVIDENCE, False, True, "not-dry"),
        (dry, True, True, None),
        (NO_EVIDENCE, False, False, None),
    ):
        after = moved(lower._replace(late=late), seen)
        emitted, fall = bounded(after, WAS, dosing.charged(), dosing.calibrated, ended=ended)
        assert (fall and fall.witness) == witness
        assert emitted.low_nl == (80 if witness is None else 1)
