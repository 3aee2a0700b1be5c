"""The control chart of a device's rate: which points break which rule, and which do not."""

import random
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.chart_picture import chart_svg
from nebctl.core.dose.control import Charted, Kind, Point, Rule, chart, flagged

RATE, SIGMA = 6_000, 240
SVG = "{http://www.w3.org/2000/svg}"


def point(rate: float, kind: Kind = Kind.DOSE, *, sigma: int = 60, seq: int = 1, mesh: str = "") -> Point:
    """Return a rate of the day `seq`."""
    return Point(
        at_ns=seq * 86_400 * 10**9, rate_nl_per_s=round(rate), sigma_nl_per_s=sigma, kind=kind, seq=seq, mesh=mesh
    )


CALIBRATION = point(RATE, Kind.CALIBRATION, sigma=SIGMA)
ONE_SIGMA = (60**2 + SIGMA**2 + (RATE * 0.05) ** 2) ** 0.5


def rules(*off: float) -> list[tuple[str, ...]]:
    """Return the rules that doses break which lie so many sigma off their calibration."""
    charted = chart([CALIBRATION, *(point(RATE + each * ONE_SIGMA) for each in off)])
    return [tuple(rule.name for rule in each.rules) for each in charted[1:]]


def test_each_rule_has_its_pattern() -> None:
    """WE1: one beyond 3 sigma. WE2: two of three beyond 2 on one side. WE4: eight in a row on one side."""
    assert rules(3.1) == [("WE1",)]
    assert rules(2.7, 0, 2.7) == [(), (), ("WE2",)]
    assert rules(*[1.95] * 8)[-1] == ("WE4",)


def test_what_is_no_pattern_breaks_none() -> None:
    """Two beyond 2 sigma on different sides, two of four, seven in a row, and points on the line are all quiet."""
    for off in ((2.7, 0, -2.7), (2.7, 0, 0, 2.7), (1.5,) * 7, (0,) * 20, (2.9,)):
        assert rules(*off)[-1] == ()


def test_a_run_of_eight_goes_on_and_one_on_the_line_or_beyond_breaks_it() -> None:
    """The ninth counts as the eighth did, on either side; a point on the line, or on its other side, ends the run."""
    for side in (1, -1):
        assert rules(*[side * 1.95] * 9)[-1] == ("WE4",)
        assert "WE4" in rules(*[side * 2.9] * 7, side / ONE_SIGMA)[-1]
        for ends in (0.0, -0.5):
            assert "WE4" not in rules(*[side * 2.9] * 3, side * ends, *[side * 2.9] * 4)[-1]


def test_three_of_three_are_more_than_two() -> None:
    """WE2 asks for two of three at least; exactly three sigma is not beyond three."""
    assert rules(2.7, 2.7, 2.7)[-1] == ("WE2",)
    assert rules(3 * round(ONE_SIGMA) / ONE_SIGMA) == [()]


def test_nothing_is_surer_than_one_nanolitre_a_second() -> None:
    """Points that say that they have no error differ from their line by whole sigmas still."""
    exact = [point(6_000, Kind.CALIBRATION, sigma=0), point(6_002, Kind.FAILED, sigma=0)]
    assert chart(exact)[1].sigma_nl_per_s == 1
    centre = point(6_000, Kind.CALIBRATION, sigma=1)
    assert chart([centre, point(6_002, Kind.FAILED, sigma=1)])[1].sigma_nl_per_s == 1
    assert Rule.WE4 in chart([centre, *[point(6_004, Kind.FAILED, sigma=0)] * 8])[-1].rules


def test_the_calibration_s_own_error_is_no_drift() -> None:
    """Eight doses on one side of a line that is itself uncertain by as much say nothing of the mesh."""
    assert rules(*[0.9 * SIGMA / ONE_SIGMA] * 12)[-1] == ()


def test_a_new_calibration_begins_a_new_line() -> None:
    """What was off the old line is on the new one; the calibration that moved it is told."""
    lower = [point(4_500, seq=2), point(4_500, Kind.CALIBRATION, sigma=SIGMA, seq=3), point(4_500, seq=4)]
    charted = chart([CALIBRATION, *lower])
    assert [bool(each.rules) for each in charted] == [False, True, True, False]
    assert charted[-1].centre_nl_per_s == 4_500


def test_a_new_mesh_and_a_failed_run() -> None:
    """A new mesh is held against nothing; a failed calibration is held against the line and never becomes one."""
    new = point(8_000, Kind.CALIBRATION, sigma=SIGMA, mesh="M-2")
    failed = point(3_000, Kind.FAILED, sigma=SIGMA)
    assert chart([CALIBRATION, new])[1].centre_nl_per_s is None
    assert [each.centre_nl_per_s for each in chart([CALIBRATION, failed, point(6_000)])] == [None, 6_000, 6_000]


def test_before_any_calibration_nothing_is_judged() -> None:
    """Doses of an uncalibrated device are points without a line."""
    assert all(each.centre_nl_per_s is None and not each.rules for each in chart([point(1), point(99_999)]))


def test_honest_chance_is_rarely_flagged() -> None:
    """Of 400 charts whose calibration and 10 doses err as they say, less than one in twenty has a flagged point."""
    chance, flagged = random.Random(11), 0
    for _ in range(400):
        centre = point(chance.gauss(RATE, SIGMA), Kind.CALIBRATION, sigma=SIGMA)
        doses = [point(chance.gauss(RATE * chance.gauss(1, 0.05), 60)) for _ in range(10)]
        flagged += any(each.rules for each in chart([centre, *doses]))
    assert flagged < 20


def test_a_mesh_that_lost_a_quarter_is_found_at_once() -> None:
    """A quarter less is beyond 3 sigma of the first weighed dose."""
    assert Rule.WE1 in chart([CALIBRATION, point(RATE * 0.75)])[1].rules


def texts(charted: tuple[Charted, ...]) -> list[str]:
    """Return every text of the picture, which must be well-formed."""
    return [each.text or "" for each in ElementTree.fromstring(chart_svg(charted, "Rate of <SIM>")).iter(f"{SVG}text")]


def test_the_picture_names_the_rule_beside_its_point() -> None:
    """What is flagged is ringed and named; the title is escaped; an empty chart says that it is empty."""
    said = texts(chart([CALIBRATION, point(RATE * 0.6)]))
    assert "WE1" in said
    assert "Rate of <SIM>" in said
    assert "no calibration and no weighed dose yet" in texts(())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(list(Kind)), st.integers(1, 10**4)), max_size=60))
@pytest.mark.parametrize("inside", [(0, 880, 0, 420)])
def test_every_mark_lies_on_the_page(inside: tuple[int, int, int, int], drawn: list[tuple[int, Kind, int]]) -> None:
    """Whatever the rates are, each dose's circle lies within the picture."""
    left, right, top, bottom = inside
    charted = chart([point(rate, kind, sigma=sigma, seq=i) for i, (rate, kind, sigma) in enumerate(drawn)])
    for circle in ElementTree.fromstring(chart_svg(charted, "x")).iter(f"{SVG}circle"):
        assert left <= float(circle.get("cx", "-1")) <= right
        assert top <= float(circle.get("cy", "-1")) <= bottom


def test_only_a_dose_differs_from_run_to_run() -> None:
    """The sigma of a dose has the run's own repeatability in it; a calibration, a mean of runs, has not."""
    dose, again = (chart([CALIBRATION, point(RATE, kind)])[1].sigma_nl_per_s for kind in (Kind.DOSE, Kind.CALIBRATION))
    assert dose == round(ONE_SIGMA)
    assert again == round((60**2 + SIGMA**2) ** 0.5)


def test_nothing_is_flagged_where_nothing_was_calibrated() -> None:
    """Without a calibration no point has a line; after one, only what came since is told."""
    assert flagged(()) == ()
    assert flagged(chart([point(1), point(2)])) == ()
    far = [point(RATE / 2, seq=2), CALIBRATION, point(RATE / 3, seq=4)]
    assert [each.point.seq for each in flagged(chart([CALIBRATION, *far]))] == [4]
