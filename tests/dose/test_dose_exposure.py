"""How long a device drove, row by row: what counts, what may have, and what slows it."""

import math
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import DeviceModel, Doing, Reading
from nebctl.core.dose.exposure import UNEXPOSED, Exposure, expose, start_delay_s, weakness
from nebctl.core.dose.model import Kind

OFF, RUNNING, PAUSED, LOST = Doing.OFF, Doing.RUNNING, Doing.PAUSED, Doing.LOST
Spans = tuple[float, float, float, int]


def row(at_ms: int, doing: Doing = RUNNING, **told: Any) -> Reading:
    """Return one row."""
    return Reading(at_ms=at_ms, doing=doing, **told)


def driven(model: DeviceModel, *rows: Reading, before: Exposure = UNEXPOSED, spits: bool = False) -> Exposure:
    """Return the exposure after these rows."""
    for each in rows:
        before = expose(before, each, model, spits=spits)
    return before


def spans(seen: Exposure, since: Exposure = UNEXPOSED) -> Spans:
    """Return least, best and most seconds of driving and the on-time in ms that came since."""
    apart = (seen.least_s - since.least_s, seen.best_s - since.best_s, seen.most_s - since.most_s)
    return round(apart[0], 9), round(apart[1], 9), round(apart[2], 9), seen.on_ms - since.on_ms


@pytest.mark.parametrize(
    ("first", "then", "counted"),
    [
        (RUNNING, RUNNING, (0.2, 0.2, 0.2, 200)),
        (OFF, RUNNING, (0.0, 0.0, 0.2, 0)),
        (RUNNING, OFF, (0.0, 0.1, 0.2, 100)),
        (RUNNING, PAUSED, (0.0, 0.1, 0.2, 100)),
        (OFF, OFF, (0.0, 0.0, 0.0, 0)),
        (RUNNING, LOST, (0.0, 0.2, 0.2, 200)),
        (OFF, LOST, (0.0, 0.0, 0.2, 0)),
    ],
)
def test_what_two_rows_say_of_the_time_between_them(dosing: Any, first: Doing, then: Doing, counted: Spans) -> None:
    """Running where both run; perhaps where one does; before the first start nobody knows what was not heard."""
    before = driven(dosing.calibrated, row(100, first))
    assert spans(driven(dosing.calibrated, row(300, then), before=before), before) == counted


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        (RUNNING, RUNNING, (0.0, 9.0, 9.0, 9_000)),
        (RUNNING, LOST, (0.0, 9.0, 9.0, 9_000)),
        (RUNNING, OFF, (0.0, 1.0, 9.0, 1_000)),
        (RUNNING, PAUSED, (0.0, 1.0, 9.0, 1_000)),
        (PAUSED, RUNNING, (0.0, 0.0, 9.0, 0)),
        (PAUSED, OFF, (0.0, 0.0, 0.0, 0)),
        (OFF, LOST, (0.0, 0.0, 0.0, 0)),
    ],
)
def test_what_is_not_heard_may_have_run_only_if_it_ran_before(
    dosing: Any, before: Doing, after: Doing, counted: Spans
) -> None:
    """A device goes off two seconds after its host is gone at the latest, and resumes nothing by itself."""
    ran = driven(dosing.calibrated, row(0), row(200), row(400, before), row(600, LOST))
    assert spans(driven(dosing.calibrated, row(9_600, after), before=ran), ran) == counted
    shorter = driven(dosing.calibrated, row(1_600, after), before=ran)
    assert shorter.best_s - ran.best_s <= 1.0
    assert ran.lost_from is before
    again = driven(dosing.calibrated, row(800, LOST), before=ran)
    assert again.lost_from is before


@pytest.mark.parametrize(("every_ms", "longest_ms"), [(200, 2_500), (1_000, 4_000)])
def test_rows_far_apart_are_a_gap_whatever_they_say(dosing: Any, every_ms: int, longest_ms: int) -> None:
    """More than 2.5 s and more than four times as far as usual: it need not have run; a gap leaves the usual."""
    ran = driven(dosing.calibrated, *(row(n * every_ms) for n in range(9)))
    for apart_ms, least_s in ((longest_ms, longest_ms / 1000), (longest_ms + 1, 0.0)):
        seen = driven(dosing.calibrated, row(ran.at_ms + apart_ms), before=ran)
        assert spans(seen, ran) == (least_s, apart_ms / 1000, apart_ms / 1000, apart_ms)


@pytest.mark.parametrize(
    ("usual_ms", "apart_ms", "now_ms"),
    [
        (0, 300, 300),
        (0, 50, 50),
        (0, 49, 0),
        (1_000, 49, 1_000),
        (1_000, 249, 249),
        (1_000, 250, 906),
        (1_000, 1_003, 1_000),
        (1_000, 1_400, 1_050),
        (1_000, 4_000, 1_375),
        (1_000, 4_001, 2_000),
    ],
)
def test_how_far_rows_usually_are_apart_is_learned(dosing: Any, usual_ms: int, apart_ms: int, now_ms: int) -> None:
    """By an eighth of what it differs; at once where rows come four times as fast; one gap at most doubles it."""
    before = Exposure(at_ms=5_000, doing=RUNNING, rows=1, every_ms=usual_ms)
    assert driven(dosing.calibrated, row(5_000 + apart_ms), before=before).every_ms == now_ms
    assert driven(dosing.calibrated, row(5_000 + apart_ms, LOST), before=before).every_ms == usual_ms


@pytest.mark.parametrize(
    ("doing", "at_ms", "most_s"),
    [(RUNNING, 5_000, 0.0), (RUNNING, 5_001, 5.001), (LOST, 6_000, 6.0), (OFF, 6_000, 0.0)],
)
def test_what_ran_before_it_was_first_heard_may_have_run_since_the_start(
    dosing: Any, doing: Doing, at_ms: int, most_s: float
) -> None:
    """A first row that runs, long after the start's intent, leaves open what was before."""
    seen = driven(dosing.calibrated, row(at_ms, doing))
    assert (seen.least_s, seen.best_s, seen.most_s, seen.every_ms) == (0.0, 0.0, most_s, 0)
    later = driven(dosing.calibrated, row(at_ms + 200, doing), before=seen)
    assert later.most_s - seen.most_s <= 0.2 + 1e-9


def test_starts_are_counted_and_time_never_goes_back(dosing: Any) -> None:
    """From off and from a pause it starts, out of a silence it only goes on; an earlier row is no time."""
    rows = [row(0, OFF), row(200), row(400), row(600, PAUSED), row(800), row(1_000, LOST), row(1_200), row(1_100)]
    seen = driven(dosing.calibrated, *rows)
    assert (seen.starts, seen.at_ms, seen.rows) == (2, 1_200, 1)
    assert spans(driven(dosing.calibrated, row(1_100), before=seen), seen) == (0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("temp_mc", "best_s", "cold_ks"),
    [(None, 0.2, 0.0), (22_000, 0.2, 0.0), (30_000, 0.2, 0.0), (20_000, 0.192, 0.4), (-40_000, 0.01, 12.4)],
)
def test_cold_liquid_counts_for_less_time(dosing: Any, temp_mc: int | None, best_s: float, cold_ks: float) -> None:
    """Two per cent a degree below 22, a twentieth at least stays; a jet does not mind, but notes it too."""
    ran = driven(dosing.calibrated, row(0))
    cold = driven(dosing.calibrated, row(200, temp_mc=temp_mc), before=ran)
    assert spans(cold, ran) == (best_s, best_s, best_s, 200)
    assert cold.cold_ks == pytest.approx(cold_ks)
    assert cold.felt is (temp_mc is not None)
    assert driven(dosing.calibrated, row(400), before=cold).felt is cold.felt
    jet = driven(dosing.jet, row(0), row(200, temp_mc=temp_mc))
    assert (spans(jet), jet.cold_ks) == ((0.2, 0.2, 0.2, 200), 0.0)


def test_time_that_did_not_run_was_not_cold(dosing: Any) -> None:
    """Off, or unheard from a pause on: no kelvin counts; of what ended between two rows half does."""
    cold = {"temp_mc": 12_000}
    for silent in ((OFF, OFF), (PAUSED, LOST, RUNNING)):
        rows = [row(0, RUNNING, **cold), *(row(1_000 * (n + 1), doing, **cold) for n, doing in enumerate(silent))]
        assert driven(dosing.calibrated, *rows).cold_ks == pytest.approx(5.0)
    ended = driven(dosing.calibrated, row(0), row(2_400, OFF))
    assert ended.on_ms == 1_200


def test_a_jet_that_spits_works_part_of_the_time(dosing: Any) -> None:
    """Forty-five hundredths of it; how long it spat is noted in whole time."""
    spat = driven(dosing.jet, row(0), row(200), row(400), spits=True)
    assert spans(spat) == (0.18, 0.18, 0.18, 400)
    assert spat.spat_s == pytest.approx(0.4)
    assert driven(dosing.jet, row(600), before=spat).spat_s == spat.spat_s
    weak = Exposure(doing=RUNNING, rows=1, starts=1, flow=6_000.0, flow_now=3_000.0)
    assert driven(dosing.jet, row(1_000), before=weak, spits=True).best_s == pytest.approx(0.225)


def gas(at_ms: int, flow: int | None, pressure: int | None = 100_000, doing: Doing = RUNNING) -> Reading:
    """Return a row of a jet's gas."""
    return row(at_ms, doing, gas_sccm=flow, pressure_pa=pressure)


def test_a_jet_s_early_gas_is_a_mean(dosing: Any) -> None:
    """Each row of the first ten seconds counts by its share of them, and two hundredths at least."""
    first = driven(dosing.jet, gas(0, 6_000))
    assert (first.flow, first.pressure, first.flow_now, first.pressure_now) == (6_000, 100_000, 6_000, 100_000)
    second = driven(dosing.jet, gas(1_000, 5_000, 90_000), before=first)
    assert (second.gas_s, second.flow, second.pressure) == (1.0, 5_000, 90_000)
    third = driven(dosing.jet, gas(2_000, 6_000, 92_000), before=second)
    assert (third.gas_s, third.flow, third.pressure) == (2.0, 5_500, 91_000)
    assert (third.flow_now, third.pressure_now) == (5_500, 91_000)
    late = driven(dosing.jet, gas(2_010, 6_500, None), before=third._replace(gas_s=8.0))
    assert (late.flow, late.pressure) == pytest.approx((5_520, 89_180), rel=1e-9)


def test_a_jet_s_gas_is_held_against_its_early_mean(dosing: Any) -> None:
    """After ten seconds the mean stays, and the present follows within two seconds; a pause forgets the present."""
    early = driven(dosing.jet, gas(0, 6_000), gas(1_000, 6_000))._replace(gas_s=9.0)
    last = driven(dosing.jet, gas(2_000, 4_000, 50_000), before=early)
    assert (last.gas_s, last.flow, last.pressure) == (10.0, 6_000, 100_000)
    assert (last.flow_now, last.pressure_now) == (5_000, 75_000)
    assert last.gas_share == 0.75
    assert driven(dosing.jet, gas(4_400, 4_000, 50_000), before=last).flow_now == 4_000
    for silent in (gas(3_000, 4_000, doing=PAUSED), gas(3_000, None), gas(3_000, 0), gas(3_000, -1)):
        calm = driven(dosing.jet, silent, before=last)
        assert (calm.gas_s, calm.flow, calm.flow_now, calm.pressure_now) == (10.0, 6_000, 6_000, 100_000)
        assert calm.gas_share == 1.0


def test_a_gap_in_the_gas_counts_for_two_and_a_half_seconds(dosing: Any) -> None:
    """However long it was: nobody saw gas in it."""
    early = driven(dosing.jet, gas(0, 6_000), gas(60_000, 6_000))
    assert early.gas_s == 2.5
    assert driven(dosing.jet, gas(60_001, 1), before=early._replace(flow=0.0, gas_s=20.0)).flow == 1.0
    assert driven(dosing.jet, gas(60_001, 9), before=early._replace(flow=1.0, gas_s=20.0)).flow == 1.0


def test_a_mesh_smells_no_gas(dosing: Any) -> None:
    """What a gas sensor says beside a mesh is none of its rate."""
    seen = driven(dosing.calibrated, gas(0, 6_000), gas(1_000, 6_000))
    assert (seen.gas_s, seen.flow, seen.pressure, seen.flow_now, seen.pressure_now) == (0.0,) * 5
    assert seen.gas_share == 1.0


@pytest.mark.parametrize(
    ("flow", "weak"), [(0.0, 0.0), (1.0, 1 - 1 / 6_000), (5_100.0, 0.0), (5_099.0, 1 - 5_099 / 6_000)]
)
def test_less_than_a_class_s_flow_by_a_sixth_is_weak(dosing: Any, flow: float, weak: float) -> None:
    """By as much as is missing of the usual flow; unknown flow, or a class without a usual one, is not weak."""
    seen = Exposure(flow=flow, flow_now=flow)
    assert weakness(seen, dosing.jet) == weak
    assert weakness(seen, replace(dosing.jet, gas_sccm=0)) == 0.0


@pytest.mark.parametrize(("calibrated", "counts"), [(False, 0.5), (True, 0.8)])
@pytest.mark.parametrize(("now", "share"), [(3_000.0, 1.0), (1_500.0, 0.5), (6_000.0, 2.0), (30.0, 0.01)])
def test_a_weak_compressor_slows_a_jet(dosing: Any, calibrated: bool, counts: float, now: float, share: float) -> None:
    """By all that is missing where nobody calibrated, else by four tenths; the fall since the start comes on top."""
    model = replace(dosing.jet, calibrated=calibrated)
    before = Exposure(doing=RUNNING, rows=1, starts=1, flow=3_000.0, flow_now=now)
    seen = driven(model, row(1_000, gas_sccm=3_000), before=before)
    assert seen.best_s == pytest.approx(min(1.0, max(0.05, share * counts)))


def test_each_start_costs_a_mesh_some_time(dosing: Any) -> None:
    """The first one 1.8 s of sweep, each further one 0.4 s, ever less sure; a jet's gas stands at once."""
    assert start_delay_s(UNEXPOSED, Kind.MESH) == start_delay_s(Exposure(starts=1), Kind.MESH) == (1.8, 1.8)
    assert start_delay_s(Exposure(starts=3), Kind.MESH) == pytest.approx((2.6, 2.7))
    assert start_delay_s(UNEXPOSED, Kind.JET) == (0.25, 0.3)
    assert start_delay_s(Exposure(starts=4), Kind.JET) == pytest.approx((0.25, 0.3 * math.sqrt(4)))
