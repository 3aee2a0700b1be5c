"""`nebctl bench dose`: the simulated doses are sound, and their figures say what they claim to say."""

from dataclasses import replace

import pytest

from nebctl.core.dose.reading import Doing
from nebctl_lab.bench.dose.parts import LOSSES
from nebctl_lab.bench.dose.population import make_run
from nebctl_lab.bench.dose.run import Case, Column, Course, Origin, Run, Stress, seen_by

CASES = [
    Case(preset=preset, column=column, course=course, stress=stress, origin=origin)
    for preset, column in (("mesh.solo", Column.MESH_BALANCE), ("jet.lc", Column.JET_BALANCE))
    for course, stress, origin in (
        *((course, Stress.NONE, origin) for course in Course for origin in Origin),
        (Course.USUAL, Stress.WILD, Origin.PLANT),
        (Course.RAMP, Stress.DRIPS, Origin.SECOND),
    )
]


def name(case: Case) -> str:
    """Name a case."""
    return f"{case.origin.value}/{case.preset}/{case.course.value}/{case.stress.value}"


@pytest.fixture(scope="module", params=CASES, ids=name)
def run(request: pytest.FixtureRequest) -> Run:
    """Make one run of each case."""
    return make_run(request.param, 3)


def test_a_run_adds_up(run: Run) -> None:
    """Emitted never falls, the end lies within what was filled, and a mesh loses nothing else than what it emits."""
    truth = run.truth
    assert len(truth.emitted_nl) == len(truth.rate_nl_s) == len(run.readings)
    assert list(truth.emitted_nl) == sorted(truth.emitted_nl)
    gone_nl = truth.filled_nl - truth.left_nl
    assert 0 < truth.emitted_nl[-1] <= gone_nl
    if not run.case.column.is_jet:
        assert truth.emitted_nl[-1] == gone_nl


def test_what_was_to_happen_happened(run: Run) -> None:
    """A premature stop is one, and nothing else is; a loss is there where it was wanted."""
    truth, course = run.truth, run.case.course
    assert not (truth.complete and truth.premature)
    assert (truth.loss_ms is not None) == (course in LOSSES)
    if course is Course.PREMATURE:
        assert truth.stops
        assert truth.premature
    if course in LOSSES:
        assert truth.complete
        assert truth.losing_ms is not None
        assert truth.loss_ms is not None
        assert truth.began_ms < truth.losing_ms <= truth.loss_ms < truth.ended_ms


def test_readings_are_five_a_second_and_in_order(run: Run) -> None:
    """Time always goes forward, about five readings a second where nothing was lost, OFF at both ends."""
    steps = [after.at_ms - before.at_ms for before, after in zip(run.readings, run.readings[1:], strict=False)]
    assert min(steps) > 0
    assert sorted(steps)[len(steps) // 2] == pytest.approx(200, abs=5)
    assert (run.readings[0].doing, run.readings[-1].doing) == (Doing.OFF, Doing.OFF)


def test_the_emitted_volume_follows_the_rate(run: Run) -> None:
    """Between readings a mesh emits what its rate says; a jet emits more, for its droplets are ever thicker."""
    truth, at_ms = run.truth, [reading.at_ms for reading in run.readings]
    steps = [place for place in range(1, len(at_ms)) if at_ms[place] - at_ms[place - 1] < 1000]
    emitted = sum(truth.emitted_nl[place] - truth.emitted_nl[place - 1] for place in steps)
    summed = sum((at_ms[place] - at_ms[place - 1]) * truth.rate_nl_s[place] / 1000 for place in steps)
    if run.case.column.is_jet:
        assert summed <= emitted <= 2 * summed
    else:
        assert summed == pytest.approx(emitted, rel=0.02)


def test_the_same_seed_gives_the_same_run(run: Run) -> None:
    """Case and seed decide everything; another seed is another run."""
    if run.case.course is Course.USUAL:
        assert make_run(run.case, 3) == run
        assert make_run(run.case, 4) != run


def test_a_device_without_balance_sees_the_same_but_no_weight(run: Run) -> None:
    """Only the weight is gone."""
    column = Column.JET if run.case.column.is_jet else Column.MESH
    timed = seen_by(run, column)
    assert all(reading.weight_ug is None for reading in timed.readings)
    assert timed.truth == run.truth
    assert [replace(reading, weight_ug=None) for reading in run.readings] == list(timed.readings)
