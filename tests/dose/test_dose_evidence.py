"""When a sign of the end is believed, to the millisecond: the device's own word, its current, its gas, its weight."""

from typing import Any

import pytest

from nebctl.core.dose import DeviceModel, Doing, Reading
from nebctl.core.dose.evidence import FADED, NO_EVIDENCE, Evidence, fade, weigh

RUNNING, OFF = Doing.RUNNING, Doing.OFF
WET_UA = 80_000


def told(at_ms: int, doing: Doing = RUNNING, **said: Any) -> Reading:
    """Return one row."""
    return Reading(at_ms=at_ms, doing=doing, **said)


def heard(model: DeviceModel, *rows: Reading, before: Evidence = NO_EVIDENCE) -> Evidence:
    """Return the evidence after these rows."""
    for row in rows:
        before = weigh(before, row, model)
    return before


@pytest.mark.parametrize(("stands_ms", "believed"), [(999, False), (1_000, True)])
def test_dry_is_believed_once_it_stood_for_a_second(dosing: Any, stands_ms: int, believed: bool) -> None:
    """While the device runs on; rows that do not tell between them neither begin it anew nor end it."""
    rows = [told(0), told(500, dry=True), told(800), told(500 + stands_ms, dry=True)]
    assert heard(dosing.calibrated, *rows).dry is believed


def test_dry_counts_how_often_it_was_said(dosing: Any) -> None:
    """Dry, run on wet, and dry again is twice; a row more of the same is not once more."""
    once = heard(dosing.calibrated, told(0), told(500, OFF, dry=True), told(700, OFF, dry=True))
    assert (once.dry, once.dries) == (True, 1)
    wet = heard(dosing.calibrated, told(900, dry=False), before=once)
    assert (wet.dry, wet.dries, wet.dry_since) == (False, 1, None)
    assert heard(dosing.calibrated, told(1_100, OFF, dry=True), before=wet).dries == 2


def test_what_is_dry_before_it_ran_is_no_end(dosing: Any) -> None:
    """An empty cup before the start says nothing of a dose; what went off dry stays so where nobody tells."""
    assert heard(dosing.calibrated, told(0, OFF, dry=True), told(2_000, OFF, dry=True)).dries == 0
    ended = heard(dosing.calibrated, told(0), told(200, OFF, dry=True), told(400, OFF), told(600, OFF, dry=False))
    assert ended.dry


def test_rows_of_one_moment_are_no_time(dosing: Any) -> None:
    """Time that did not pass, or that went back, is none; a gap counts as a second at most."""
    seen = heard(dosing.calibrated, told(200), told(200), told(100))
    assert seen.run_ms == 200
    assert heard(dosing.calibrated, told(60_000), before=seen).run_ms == 1_200
    assert heard(dosing.calibrated, told(300, OFF), before=seen).run_ms == 200


@pytest.mark.parametrize(
    ("drive_ua", "low"), [(44_000, False), (43_999, True), (4_001, True), (4_000, False), (0, False)]
)
def test_a_current_is_low_between_nothing_and_the_wet_one(dosing: Any, drive_ua: int, low: bool) -> None:
    """Below 55 % of the wet current, above the 5 % that an empty holder draws."""
    learned = heard(dosing.calibrated, *(told(ms, drive_ua=WET_UA) for ms in range(200, 10_001, 200)))
    assert learned.wet_ua == WET_UA
    seen = heard(dosing.calibrated, told(10_200, drive_ua=drive_ua), before=learned)
    assert (seen.drive_since is not None) is low


@pytest.mark.parametrize(("stands_ms", "believed"), [(2_999, False), (3_000, True)])
def test_a_low_current_is_believed_once_it_stood_for_three_seconds(dosing: Any, stands_ms: int, believed: bool) -> None:
    """A mesh's; it goes again where the current comes back, and stays where the device went off on it."""
    learned = heard(dosing.calibrated, *(told(ms, drive_ua=WET_UA) for ms in range(200, 10_001, 200)))
    low = [told(10_200, drive_ua=20_000), told(10_200 + stands_ms, drive_ua=20_000)]
    seen = heard(dosing.calibrated, *low, before=learned)
    assert (seen.drive, seen.ended) == (believed, believed)
    assert heard(dosing.calibrated, told(14_000, OFF, drive_ua=0), before=seen).drive is believed
    wet = heard(dosing.calibrated, told(14_000, drive_ua=WET_UA), before=seen)
    assert (wet.drive, wet.drive_since) == (False, None)
    assert wet.wet_ua == WET_UA


@pytest.mark.parametrize(("stands_ms", "believed"), [(11_999, False), (12_000, True)])
def test_a_jet_that_fades_is_believed_after_twelve_seconds(stands_ms: int, believed: bool) -> None:
    """At just 55 % of what it lost before, since the first row that says so; off, it stays as it was."""
    slack: dict[str, Any] = {"loses": FADED * 100.0, "lost_before": 100.0, "little_left": True}
    began = fade(NO_EVIDENCE._replace(at_ms=1_000), **slack, runs=True)
    assert (began.faded_since, began.faded) == (1_000, False)
    seen = fade(began._replace(at_ms=1_000 + stands_ms), **slack, runs=True)
    assert seen.faded is believed
    assert fade(seen, **slack, runs=False) == seen._replace(faded_since=None)
    assert fade(seen, **{**slack, "loses": 90.0}, runs=True) == seen._replace(faded_since=None, faded=False)


@pytest.mark.parametrize(("loses", "lost_before", "begins"), [(0.0, 0.0, False), (0.4, 1.0, True), (0.0, -1.0, False)])
def test_a_jet_that_never_lost_anything_cannot_fade(loses: float, lost_before: float, begins: bool) -> None:
    """Nothing of nothing is no fall; any loss before is enough for one."""
    seen = fade(NO_EVIDENCE, loses=loses, lost_before=lost_before, little_left=True, runs=True)
    assert (seen.faded_since is not None) is begins


def test_the_wet_current_is_the_most_of_ten_seconds_and_then_followed_slowly(dosing: Any) -> None:
    """From ten seconds of running on, by two thousandths of what a row differs; off, or untold, teaches nothing."""
    rows = [told(ms, drive_ua=70_000 + ms) for ms in range(200, 9_801, 200)]
    learned = heard(dosing.calibrated, *rows)
    assert learned.wet_ua == 79_800
    for ua, wet_ua in ((89_800, 79_820.0), (69_800, 79_780.0)):
        followed = heard(dosing.calibrated, told(10_000, drive_ua=ua), before=learned)
        assert followed.wet_ua == pytest.approx(wet_ua)
    assert heard(dosing.calibrated, told(10_000, OFF, drive_ua=9), told(10_200), before=learned).wet_ua == 79_800


def test_who_senses_its_end_tells() -> None:
    """A device with a dry signal of its own, or whose wet current is known; without either nobody would notice."""
    mesh = DeviceModel(name="mesh", rate_nl_per_s=6_000, sigma_ppm=50_000)
    for row, tells in ((told(200), False), (told(200, dry=False), True), (told(200, drive_ua=5), True)):
        assert heard(mesh, told(0), row).tells is tells
        assert heard(mesh, told(0), row, told(400)).tells is tells


@pytest.mark.parametrize(
    ("signs", "names"),
    [
        ({}, ()),
        ({"dry": True}, ("dry",)),
        ({"drive": True}, ("dry",)),
        ({"dry": True, "drive": True}, ("dry",)),
        ({"sputter": True}, ("sputter",)),
        ({"faded": True}, ("sputter",)),
        ({"dry": True, "faded": True, "sputter": True}, ("dry", "sputter")),
    ],
)
def test_witnesses_of_the_end_by_their_names(signs: dict[str, bool], names: tuple[str, ...]) -> None:
    """A signal and a current are one witness of dryness; rough gas and a fading loss one of sputter."""
    seen = NO_EVIDENCE._replace(**signs)
    assert seen.names() == names
    assert seen.ended is bool(names)


FLOW, PASCALS = 6_000, 100_000


def gas(at_ms: int, flow: int | None = FLOW, pressure: int | None = PASCALS, doing: Doing = RUNNING) -> Reading:
    """Return a row of a jet's gas."""
    return told(at_ms, doing, gas_sccm=flow, pressure_pa=pressure)


def blown(run_ms: int, felt: int = 60, **told: Any) -> Evidence:
    """Return the evidence of a jet that ran so long at steady gas, of which so many jumps were felt."""
    return NO_EVIDENCE._replace(ran=True, run_ms=run_ms, at_ms=0, flow=FLOW, pressure=PASCALS, felt=felt, **told)


def test_the_first_seconds_of_gas_settle(dosing: Any) -> None:
    """Before eight seconds of running no jump is felt; a row after a break has nothing to differ from."""
    for run_ms, felt in ((7_799, 0), (7_800, 1)):
        seen = heard(dosing.jet, gas(200, 5_400), before=blown(run_ms, felt=0))
        assert (seen.felt, seen.flow, seen.pressure) == (felt, 5_400, PASCALS)
        assert (seen.flow_scatter[0] > 0) is bool(felt)
    for silent in (gas(200, doing=OFF), gas(200, None), gas(200, 0)):
        broken = heard(dosing.jet, silent, before=blown(60_000))
        assert (broken.flow, broken.pressure) == (0, 0)
        again = heard(dosing.jet, gas(400, 5_000), before=broken)
        assert (again.flow, again.felt, again.flow_scatter) == (5_000, 60, (0.0, 0.0))


def test_early_scatter_is_the_mean_of_the_squares_of_the_jumps(dosing: Any) -> None:
    """Each as a share of the greater value; no jump counts for more than five hundredths."""
    early = blown(20_000, felt=3, flow_scatter=(4e-4, 4e-4), pressure_scatter=(1e-4, 1e-4))
    seen = heard(dosing.jet, gas(200, 5_940, 102_000), before=early)
    flow, gauge = 4e-4 + (1e-4 - 4e-4) / 4, 1e-4 + ((2 / 102) ** 2 - 1e-4) / 4
    assert seen.flow_scatter == pytest.approx((flow, flow))
    assert seen.pressure_scatter == pytest.approx((gauge, gauge))
    assert seen.felt == 4
    far = heard(dosing.jet, gas(200, 3_000, None), before=early)
    assert far.flow_scatter == pytest.approx((4e-4 + (25e-4 - 4e-4) / 4,) * 2)
    assert (far.pressure_scatter, far.pressure) == ((1e-4, 1e-4), 0)


@pytest.mark.parametrize(("run_ms", "felt", "learns"), [(37_799, 60, 1), (37_800, 60, 0), (60_000, 59, 1)])
def test_scatter_is_learned_for_half_a_minute_and_sixty_jumps(dosing: Any, run_ms: int, felt: int, learns: int) -> None:
    """After the eight seconds that settle; then the early mean stays."""
    seen = heard(dosing.jet, gas(200, 5_940), before=blown(run_ms, felt, flow_scatter=(1e-3, 1e-3)))
    assert seen.felt == felt + learns
    assert (seen.flow_scatter[0] == 1e-3) is not bool(learns)


@pytest.mark.parametrize(("dt_ms", "share"), [(100, 1 / 60), (120, 1 / 50), (1_000, 1 / 30)])
@pytest.mark.parametrize(("flow", "square"), [(5_940, 1e-4), (3_000, 16 * 101e-6)])
def test_present_scatter_follows_over_six_seconds(
    dosing: Any, dt_ms: int, share: float, flow: int, square: float
) -> None:
    """By a thirtieth at most, for few rows scatter by chance; one step of the gas, however large, is no sputter."""
    before = blown(60_000, flow_scatter=(1e-4, 5e-5), pressure_scatter=(1e-4, 5e-5))
    seen = heard(dosing.jet, gas(dt_ms, flow), before=before)
    assert seen.flow_scatter == pytest.approx((1e-4, 5e-5 + share * (square - 5e-5)), rel=1e-6)
    assert seen.pressure_scatter == pytest.approx((1e-4, 5e-5 * (1 - share)), rel=1e-6)


@pytest.mark.parametrize(("before", "after", "square"), [(1, 2, 0.25), (2, 1, 0.25), (0, 2, None), (2, None, None)])
def test_a_gauge_that_says_nothing_has_no_jump(
    dosing: Any, before: int, after: int | None, square: float | None
) -> None:
    """The least that it can say has one."""
    steady = blown(60_000, pressure_scatter=(1.0, 1.0))._replace(pressure=before)
    seen = heard(dosing.jet, gas(100, pressure=after), before=steady)
    assert seen.pressure_scatter[1] == pytest.approx(1.0 if square is None else 1 - (1 - square) / 60)


@pytest.mark.parametrize("place", ["flow_scatter", "pressure_scatter"])
@pytest.mark.parametrize(
    ("times", "began", "begins"),
    [(3.0, None, True), (2.99, None, False), (2.99, 5, True), (1.5, 5, True), (1.49, 5, False), (3.0, 5, True)],
)
def test_gas_is_rough_at_three_times_and_calm_below_one_and_a_half(
    dosing: Any, place: str, times: float, began: int | None, begins: bool
) -> None:
    """Of its early scatter and a tenth of a per cent; between the two it stays what it was."""
    base = 4e-4
    before = blown(60_000, **{place: (base, times * (base + 0.001**2))}, sputter_since=began, sputter=began is not None)
    seen = heard(dosing.jet, gas(0), before=before)
    assert (seen.sputter_since is not None) is begins
    assert seen.spits is begins
    assert seen.sputter is (began is not None and begins)
    assert seen.sputter_since in (None, 0 if began is None else 5)


@pytest.mark.parametrize(("stands_ms", "believed"), [(3_999, False), (4_000, True)])
def test_rough_gas_is_believed_once_it_stood_for_four_seconds(dosing: Any, stands_ms: int, believed: bool) -> None:
    """Since the first row that was rough."""
    rough = blown(60_000, flow_scatter=(1e-4, 1e-2), sputter_since=10_000)._replace(at_ms=10_000 + stands_ms)
    seen = heard(dosing.jet, gas(10_000 + stands_ms), before=rough)
    assert (seen.sputter, seen.sputter_since) == (believed, 10_000)
