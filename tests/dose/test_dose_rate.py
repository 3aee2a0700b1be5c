"""When a rate is out of tolerance: what is looked at, against what, and how long it must stand."""

from typing import Any

import pytest

from nebctl.core.dose import DeviceModel, Doing
from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.pace import Pace, pace
from nebctl.core.dose.slope import LEVEL, Slope
from nebctl.core.dose.weight import UNWEIGHED, Weighed

USUAL = 10_000.0
SURE_LINE = Slope(points=50, x=95.0, y=0.0, xx=1e4, xy=7e7, began_s=90.0)
"""A line of 7,000 nL/s that is known to a few nL/s."""
KNOWN = Pace(usual=USUAL, mean=USUAL, known_s=60.0, driven_s=100.0, starts=1, begun_s=50.0, readings=500)


def ran(seconds: float = 101.0, *, starts: int = 1, doing: Doing = Doing.RUNNING, gas: float = 1.0) -> Exposure:
    """Return a time of driving; `gas` is what is left of a jet's early flow."""
    return Exposure(
        doing=doing, on_ms=round(seconds * 1000), starts=starts, rows=1, flow=6_000.0, flow_now=6_000.0 * gas
    )


def weighs(rate: float = USUAL, *, unsure: float = 0.0, **changes: Any) -> Weighed:
    """Return a filter that says this rate of loss."""
    return UNWEIGHED._replace(rate=rate, p_rr=unsure**2, noise_nl=1_000.0, readings=501, started=True)._replace(
        **changes
    )


def after(
    model: DeviceModel,
    before: Pace = KNOWN,
    exposure: Exposure | None = None,
    weighed: Weighed | None = None,
    *,
    left_nl: float = 2e6,
    spits: bool = False,
) -> Pace:
    """Return the pace a second later, of a cup that is nearly full."""
    return pace(before, exposure or ran(), weighed or weighs(), model, left_nl=left_nl, spits=spits)


def test_no_time_is_no_news(dosing: Any) -> None:
    """A row that adds no driving changes nothing, nor does one from before."""
    for seconds in (100.0, 99.0):
        assert after(dosing.unknown, exposure=ran(seconds)) == KNOWN


@pytest.mark.parametrize(
    ("kind", "quiet", "loud"),
    [
        ("unknown", {"left_nl": 249_999.0}, {"left_nl": 250_000.0}),
        ("jet", {"left_nl": 1_599_999.0}, {"left_nl": 1_600_000.0}),
        ("unknown", {"weighed": weighs(8_000.0, doubted=1)}, {}),
        ("unknown", {"weighed": weighs(8_000.0, readings=0)}, {}),
        ("unknown", {"exposure": ran(doing=Doing.PAUSED)}, {}),
        ("jet", {"spits": True}, {}),
        ("unknown", {"before": KNOWN._replace(begun_s=87.001)}, {"before": KNOWN._replace(begun_s=87.0)}),
        ("unknown", {"exposure": ran(starts=2)}, {}),
    ],
)
def test_when_a_rate_is_not_looked_at(dosing: Any, kind: str, quiet: dict[str, Any], loud: dict[str, Any]) -> None:
    """Near its end, in doubt, off, while it spits or in the first 14 s of a start: what was noticed is over."""
    noticed = {"slow_s": 3.0, "fast_s": 2.0, "since": SURE_LINE}
    told = {"weighed": weighs(8_000.0), "before": KNOWN, **quiet}
    told["before"] = told["before"]._replace(**noticed)
    seen = after(getattr(dosing, kind), **told)
    assert (seen.slow_s, seen.fast_s, seen.since, seen.known_s) == (0.0, 0.0, LEVEL, 60.0)
    assert (seen.driven_s, seen.starts) == (101.0, told.get("exposure", ran()).starts)
    assert seen.begun_s == (101.0 if seen.starts == 2 else told["before"].begun_s)
    told = {"weighed": weighs(8_000.0), "before": KNOWN, **loud}
    assert after(getattr(dosing, kind), **told).known_s == 61.0


@pytest.mark.parametrize(("gas", "slow_s"), [(0.88, 0.0), (0.879, 1.0), (1.2, 0.0)])
def test_an_eighth_less_gas_is_a_slow_jet(dosing: Any, gas: float, slow_s: float) -> None:
    """Without a look at any balance; a mesh has no gas."""
    calm = weighs(readings=0)
    assert after(dosing.jet, exposure=ran(gas=gas), weighed=calm).slow_s == slow_s
    assert after(dosing.unknown, exposure=ran(gas=gas), weighed=calm).slow_s == 0.0
    for stood_s, slow in ((3.999, False), (4.0, True)):
        stood = after(dosing.jet, KNOWN._replace(slow_s=stood_s), ran(gas=0.5), calm)
        assert (stood.slow, stood.fast) == (slow, False)
    assert after(dosing.jet, KNOWN._replace(slow=True, fast_s=9.0), ran(gas=0.5), calm).slow
    assert after(dosing.jet, KNOWN._replace(fast_s=9.0), ran(gas=0.5), calm).fast_s == 0.0


@pytest.mark.parametrize(
    ("known_s", "usual", "learned"),
    [(0.0, 0.0, 8_000.0), (19.0, USUAL, 9_900.0), (28.999, USUAL, USUAL - 2_000 / 29.999), (29.0, USUAL, USUAL)],
)
def test_the_usual_rate_is_the_mean_of_half_a_minute(dosing: Any, known_s: float, usual: float, learned: float) -> None:
    """Each row by its share of the time; after that it is what the rate is held against."""
    seen = after(dosing.unknown, KNOWN._replace(known_s=known_s, usual=usual), weighed=weighs(8_000.0))
    assert (seen.usual, seen.mean, seen.known_s) == (pytest.approx(learned), 8_000.0, known_s + 1)
    assert (seen.slow_s > 0) is (known_s == 29.0)
    late = after(dosing.unknown, KNOWN._replace(usual=0.0), weighed=weighs(8_000.0))
    assert (late.usual, late.slow_s) == (8_000.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "rate", "unsure", "slow_s", "fast_s"),
    [
        ("unknown", 8_400.0, 0.0, 0.0, 0.0),
        ("unknown", 8_399.0, 0.0, 1.0, 0.0),
        ("unknown", 12_500.0, 0.0, 0.0, 0.0),
        ("unknown", 12_501.0, 0.0, 0.0, 1.0),
        ("unknown", 7_000.0, 800.0, 0.0, 0.0),
        ("unknown", 6_999.0, 800.0, 1.0, 0.0),
        ("unknown", 13_000.0, 800.0, 0.0, 0.0),
        ("unknown", 13_001.0, 800.0, 0.0, 1.0),
        ("jet", 8_100.0, 0.0, 0.0, 0.0),
        ("jet", 8_099.0, 0.0, 0.5, 0.0),
        ("jet", 12_501.0, 0.0, 0.0, 0.5),
        ("unknown", 5_000.0, 0.0, 1.0, 0.0),
        ("unknown", 4_999.0, 0.0, 0.3, 0.0),
        ("jet", 4_999.0, 0.0, 0.15, 0.0),
    ],
)
def test_a_rate_is_out_of_tolerance_by_its_usual_and_by_its_doubt(
    dosing: Any, kind: str, rate: float, unsure: float, slow_s: float, fast_s: float
) -> None:
    """A mesh by 16 % less or a quarter more, a jet by 19 %, either by 3.75 standard deviations; one that ceases counts
    for less time, and a jet for half.
    """
    seen = after(getattr(dosing, kind), weighed=weighs(rate, unsure=unsure))
    assert (seen.slow_s, seen.fast_s) == (pytest.approx(slow_s), pytest.approx(fast_s))
    assert (seen.mean, seen.known_s, seen.usual) == (rate, 61.0, USUAL)
    assert (seen.since.points, seen.readings) == ((1, 501) if slow_s or fast_s else (0, 500))
    half = after(getattr(dosing, kind), exposure=ran(100.5), weighed=weighs(rate, unsure=unsure))
    assert (half.slow_s, half.fast_s) == (pytest.approx(slow_s / 2), pytest.approx(fast_s / 2))


@pytest.mark.parametrize(
    ("usual", "rate", "slow", "fast"),
    [
        (8_000.0, 6_016.34, True, False),
        (8_000.0, 6_016.36, False, False),
        (5_000.0, 6_334.0, False, True),
        (5_000.0, 6_333.0, False, False),
    ],
)
def test_a_calibrated_mesh_that_does_as_calibrated_is_in_tolerance(
    dosing: Any, usual: float, rate: float, slow: bool, fast: bool
) -> None:
    """Whatever it began with: 95 % of the calibrated rate is not slow, the rate itself not fast; a class's rate does
    not say so, nor does a jet's.
    """
    seen = after(dosing.calibrated, KNOWN._replace(usual=usual), weighed=weighs(rate))
    assert (seen.slow_s > 0, seen.fast_s > 0) == (slow, fast)
    for model in (dosing.unknown, dosing.jet):
        other = after(model, KNOWN._replace(usual=usual), weighed=weighs(rate))
        assert (other.slow_s > 0) is (usual > rate)
        assert (other.fast_s > 0) is (usual < rate)


def test_a_reading_of_the_balance_counts_once(dosing: Any) -> None:
    """A row between two readings adds no point to the line since the rate was noticed."""
    low = weighs(8_000.0, zero_nl=500.0, shown_nl=200.0)
    first = after(dosing.unknown, weighed=low)
    assert (first.since.points, first.since.x, first.since.y) == (1, 101.0, 300.0)
    assert pace(first, ran(102.0), low, dosing.unknown, left_nl=2e6, spits=False).since == first.since
    again = pace(first, ran(102.0), low._replace(readings=502), dosing.unknown, left_nl=2e6, spits=False)
    assert (again.since.points, again.readings) == (2, 502)


def stood(dosing: Any, *, rate: float, line: Slope, slow_s: float = 0.0, fast_s: float = 0.0, **noise: Any) -> Pace:
    """Return the pace after a row in which a rate that stood is looked at by the line since it was noticed."""
    before = KNOWN._replace(slow_s=slow_s, fast_s=fast_s, since=line, readings=501)
    return after(dosing.unknown, before, weighed=weighs(rate, **noise))


def a_line(rate: float, *, began_s: float = 90.0, xx: float = 1e4) -> Slope:
    """Return a line of this rate of loss."""
    return Slope(points=50, x=95.0, y=0.0, xx=xx, xy=rate * xx, began_s=began_s)


@pytest.mark.parametrize(
    ("rate", "held", "line", "slow", "fast"),
    [
        (7_000.0, {"slow_s": 4.0}, 8_749.0, True, False),
        (7_000.0, {"slow_s": 4.0}, 8_750.0, False, False),
        (7_000.0, {"slow_s": 3.999}, 7_000.0, False, False),
        (14_000.0, {"fast_s": 9.0}, 11_251.0, False, True),
        (14_000.0, {"fast_s": 9.0}, 11_250.0, False, False),
        (14_000.0, {"fast_s": 8.999}, 14_000.0, False, False),
    ],
)
def test_a_rate_that_stood_is_out_of_tolerance_where_its_own_line_says_so(
    dosing: Any, rate: float, held: dict[str, float], line: float, slow: bool, fast: bool
) -> None:
    """Slow for 5 s, fast for 10, and an eighth off by the readings since alone; a drip leaves the line as usual."""
    seen = stood(dosing, rate=rate, line=a_line(line), **held)
    assert (seen.slow, seen.fast) == (slow, fast)
    if not slow and not fast and 4.0 in held.values():
        assert (seen.slow_s, seen.since) == (0.0, LEVEL)


@pytest.mark.parametrize(
    ("noise_nl", "began_s", "told"),
    [(60_000.0, 93.001, True), (60_001.0, 93.001, False), (60_001.0, 93.0, True), (9e9, 92.0, True)],
)
def test_a_line_tells_once_it_is_sharp_or_long(dosing: Any, noise_nl: float, began_s: float, told: bool) -> None:
    """Known to 6 % of the usual rate, or eight seconds old; until then the rate stands and is not yet slow."""
    line = a_line(7_000.0, began_s=began_s)
    seen = stood(dosing, rate=7_000.0, line=line, slow_s=4.0, noise_nl=noise_nl)
    assert seen.slow is told
    assert (seen.slow_s, seen.since) == (5.0, line)
    calm = stood(dosing, rate=7_000.0, line=a_line(USUAL, began_s=began_s), slow_s=4.0, noise_nl=noise_nl)
    assert (calm.slow, calm.slow_s) == (False, 0.0 if told else 5.0)
    fast = stood(dosing, rate=14_000.0, line=a_line(14_000.0, began_s=began_s), fast_s=9.0, noise_nl=noise_nl)
    assert (fast.fast, fast.fast_s) == (told, 10.0)
