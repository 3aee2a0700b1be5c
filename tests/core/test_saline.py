"""The arithmetic of a saline run: what a volume and a time say of a rate, and how sure that is."""

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.dose.aerosol import aerosol_span
from nebctl.core.dose.calibration import By
from nebctl.core.dose.saline import FLOOR_PPM, Known, Measured, Run, judge, measure, refuse_run

UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""A busy machine may pause a test for seconds, which says nothing of its strategies."""
TIMED, WEIGHED = Known(by=By.TIME), Known(by=By.BALANCE)
CLASS_NL_S, LEAST_NL_S = 6_333, 3_333
RUNS = st.lists(
    st.builds(
        Run,
        volume_nl=st.integers(300_000, 1_000_000),
        aerosol_ms=st.integers(20_000, 400_000),
        sigma_ms=st.integers(1, 3_000),
        temp_mc=st.none() | st.integers(15_000, 30_000),
    ),
    min_size=1,
    max_size=6,
)


def run(ms: int, *, nl: int = 500_000, temp: int | None = 22_500) -> Run:
    """Return a run that is known to a tenth of a second."""
    return Run(volume_nl=nl, aerosol_ms=ms, sigma_ms=100, temp_mc=temp)


def test_the_rate_is_volume_less_residue_over_time() -> None:
    """0.5 mL of which 20 uL stay, in 80 s: 6000 nL/s; a residue that somebody drew takes the place of the assumed."""
    assert measure([run(80_000)], TIMED).rate_nl_per_s == 6_000
    assert measure([run(80_000)], Known(by=By.TIME, residue_nl=0)).rate_nl_per_s == 6_250
    assert measure([run(80_000)], WEIGHED).rate_nl_per_s == 6_250


def test_cold_saline_is_brought_to_22_degrees() -> None:
    """At 17 degrees a mesh gives 10 % less than at 22; what is warmer than 22 gives no more."""
    assert measure([run(80_000, temp=17_000)], TIMED).rate_nl_per_s == round(6_000 / 0.9)
    assert measure([run(80_000, temp=26_000)], TIMED).rate_nl_per_s == 6_000


@UNHURRIED
@given(RUNS)
def test_sigma_is_the_root_of_its_parts_and_never_below_the_floor(runs: list[Run]) -> None:
    """The parts that are shown make up the sum that is used, in every case."""
    measured = measure(runs, TIMED)
    total = max(FLOOR_PPM, math.hypot(*(share for _, share in measured.parts_ppm)))
    assert measured.sigma_nl_per_s == pytest.approx(measured.rate_nl_per_s * total / 1e6, abs=2)
    assert measured.sigma_nl_per_s >= measured.rate_nl_per_s * FLOOR_PPM / 1e6 - 1


@UNHURRIED
@given(st.integers(30_000, 300_000), st.integers(1, 6))
def test_more_runs_know_more_but_what_they_share_stays(ms: int, count: int) -> None:
    """Equal runs bring the repeatability down with the root of their number; the syringe's error stays."""
    one, more = (measure([run(ms)] * number, TIMED) for number in (1, count))
    assert more.sigma_nl_per_s <= one.sigma_nl_per_s
    assert dict(more.parts_ppm)["filling"] == dict(one.parts_ppm)["filling"]


@UNHURRIED
@given(st.floats(0.5, 2.0), RUNS)
def test_a_rate_follows_its_volumes_where_nothing_stays(factor: float, runs: list[Run]) -> None:
    """With a balance the rate is exactly proportional: no constant hides in it."""
    scaled = [
        Run(volume_nl=round(r.volume_nl * factor), aerosol_ms=r.aerosol_ms, sigma_ms=r.sigma_ms, temp_mc=r.temp_mc)
        for r in runs
    ]
    assert measure(scaled, WEIGHED).rate_nl_per_s == pytest.approx(measure(runs, WEIGHED).rate_nl_per_s * factor, abs=3)


def test_runs_that_scatter_are_less_sure_than_runs_that_agree() -> None:
    """Spread is the widest difference over the mean, and the repeatability grows with it."""
    agree, scatter = (measure([run(80_000), run(80_000 + apart)], TIMED) for apart in (0, 8_000))
    assert (agree.spread_ppm, scatter.spread_ppm) == (0, 95_238)
    assert dict(scatter.parts_ppm)["repeatability"] > dict(agree.parts_ppm)["repeatability"]


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([run(80_000), run(82_000)], None),
        ([run(160_000)], "too-slow"),
        ([run(1_000_000, nl=600_000)], "implausible"),
        ([run(20_000, nl=900_000)], "implausible"),
        ([run(60_000), run(80_000)], "spread"),
    ],
)
def test_what_is_no_calibration_is_told_with_its_reason(runs: list[Run], code: str | None) -> None:
    """A slow mesh, a rate of no such device and runs too far apart are each refused by name."""
    finding = judge(measure(runs, TIMED), CLASS_NL_S, LEAST_NL_S)
    assert (finding.code if finding else None) == code


@UNHURRIED
@given(st.integers(1, 60_000))
def test_only_rates_of_the_class_are_accepted(rate: int) -> None:
    """Nothing outside a fifth and five times the class's rate, and nothing slower than the least, passes."""
    measured = Measured(rates_nl_per_s=(rate,), rate_nl_per_s=rate, sigma_nl_per_s=rate, spread_ppm=0, parts_ppm=())
    accepted = judge(measured, CLASS_NL_S, LEAST_NL_S) is None
    assert accepted == (max(LEAST_NL_S, CLASS_NL_S / 5) <= rate <= CLASS_NL_S * 5)


@pytest.mark.parametrize(
    ("bad", "code"), [(run(19_999), "too-short"), (run(0), "too-short"), (run(80_000, temp=8_000), "cold")]
)
def test_a_run_that_measured_nothing_is_refused(bad: Run, code: str) -> None:
    """Dry at once, too short, or with saline out of the refrigerator."""
    finding = refuse_run(bad)
    assert finding is not None
    assert finding.code == code


def report(on_ms: int, output: Output, ua: int | None = 80_000, end: EndCause = EndCause.NONE) -> DeviceReport:
    """Return a reading of a run."""
    return DeviceReport(
        at_ns=0, output=output, run="0badcafe", on_ms=on_ms, end=end, boot=1, drive_ua=ua, temp_mc=22_000
    )


def whole_run(*, current: bool) -> list[DeviceReport]:
    """Return the readings of a run: a sweep of 2 s, aerosol for 80 s, 3 s of a dry mesh."""
    ua = 80_000 if current else None
    low = 20_000 if current else None
    return [
        *(report(ms, Output.SWEEP, 30_000 if current else None) for ms in range(0, 2_000, 200)),
        *(report(ms, Output.RUNNING, ua) for ms in range(2_000, 82_000, 200)),
        *(report(ms, Output.RUNNING, low) for ms in range(82_000, 85_000, 200)),
        report(85_000, Output.OFF, 0, EndCause.DRY),
    ]


@pytest.mark.parametrize(("current", "sigma_ms"), [(True, 82), (False, 1_451)])
def test_sweep_and_proof_of_dryness_are_no_aerosol(*, current: bool, sigma_ms: int) -> None:
    """The current shows the end to a reading; without it the end lies within what a device may take to be sure."""
    span = aerosol_span(whole_run(current=current))
    assert abs(span.ms - 80_000) <= 3 * span.sigma_ms
    assert (span.sigma_ms, span.temp_mc) == (sigma_ms, 22_000)


def test_a_person_s_stop_ends_the_aerosol_where_it_was_pressed() -> None:
    """A device without a dry signal is stopped by who watches it, who may be a second and a half off."""
    readings = [*whole_run(current=False)[:-16], report(82_000, Output.OFF, None, EndCause.STOP)]
    span = aerosol_span(readings)
    assert (span.ms, span.sigma_ms) == (80_100, 1_501)


def test_no_reading_of_aerosol_is_no_time_at_all() -> None:
    """A device that never ran measured nothing."""
    assert aerosol_span([]).ms == aerosol_span(whole_run(current=True)[:10]).ms == 0


def test_each_refusal_says_what_was_seen_and_what_to_do() -> None:
    """One sentence each: the figure, what would be right, and the next step."""
    rate = "a rate of {}, expected {}"
    slow = Measured(rates_nl_per_s=(), rate_nl_per_s=3_000, sigma_nl_per_s=1, spread_ppm=0, parts_ppm=())
    said = [
        refuse_run(run(80_000, nl=0)),
        refuse_run(run(19_860)),
        refuse_run(run(80_000, temp=14_860)),
        judge(replace(slow, rate_nl_per_s=1_000), CLASS_NL_S, LEAST_NL_S),
        judge(replace(slow, rate_nl_per_s=6_000, spread_ppm=155_001), CLASS_NL_S, LEAST_NL_S),
        judge(slow, CLASS_NL_S, LEAST_NL_S),
    ]
    assert [(finding.code, finding.sentence) for finding in said if finding] == [
        (
            "no-weight",
            "no loss of weight was seen, expected a balance under the device that tells it: look at it, or calibrate "
            "by time.",
        ),
        (
            "too-short",
            "19.9 s of aerosol, expected at least 20 s: the cup was dry, hardly filled, or the device stopped early. "
            "Fill it and try again.",
        ),
        (
            "cold",
            "saline at 14.9 degrees Celsius, expected at least 15: let it come to the room's temperature and try "
            "again.",
        ),
        (
            "implausible",
            rate.format("0.060 mL/min", "0.076 mL/min to 1.900 mL/min")
            + " of such a device: check the volume that was filled.",
        ),
        (
            "spread",
            "runs 16 % apart, expected at most 15 %: one of them was filled otherwise or stopped early. Repeat all of "
            "them.",
        ),
        (
            "too-slow",
            rate.format("0.180 mL/min", "at least 0.200 mL/min") + ": replace the mesh, and calibrate the new one.",
        ),
    ]


def test_the_parts_of_the_doubt_are_what_they_say() -> None:
    """Filling, residue, temperature, timing and repeatability, each as a share of the rate in ppm."""
    parts = dict(measure([run(80_000, temp=22_000)], TIMED).parts_ppm)
    assert parts == {
        "filling": 29_000,
        "residue": 25_000,
        "temperature": 0,
        "timing": 1_250,
        "repeatability": parts["repeatability"],
    }
    cold = dict(measure([run(80_000, temp=17_000), run(80_000, temp=19_000)], TIMED).parts_ppm)
    assert cold["temperature"] == 24_000
    unsensed = dict(measure([run(80_000, temp=17_000), run(80_000, temp=None)], WEIGHED).parts_ppm)
    assert (unsensed["temperature"], unsensed["filling"], unsensed["residue"]) == (20_000, 4_000, 0)
    shared = Known(by=By.BALANCE, share_ppm=500_000, share_sigma_ppm=50_000)
    assert dict(measure([run(80_000)], shared).parts_ppm)["share"] == 100_000
    assert "share" not in parts


def test_what_is_just_enough_is_a_calibration() -> None:
    """Every limit holds what lies on it: a nanolitre, 20 s, 15 degrees, a fifth, five times, 15 %, the least rate."""
    assert refuse_run(run(20_000, nl=1, temp=15_000)) is None
    assert refuse_run(run(80_000, temp=None)) is None
    at = Measured(rates_nl_per_s=(), rate_nl_per_s=1_000, sigma_nl_per_s=1, spread_ppm=150_000, parts_ppm=())
    assert judge(at, 5_000, 1_000) is None
    assert judge(replace(at, rate_nl_per_s=25_000), 5_000, None) is None
    fast = judge(replace(at, rate_nl_per_s=10_000_000), 5_000, None)
    assert fast is not None
    assert fast.sentence.startswith("a rate of 600.000 mL/min, expected 0.060 mL/min to 1.500 mL/min ")


def test_a_rate_of_nothing_is_no_measurement() -> None:
    """No run, or as much residue as was filled, is an error that says so; any rate above nothing is one."""
    for runs, count in (([], 0), ([run(80_000, nl=20_000)], 1), ([run(80_000), run(80_000, nl=19_000)], 2)):
        with pytest.raises(
            ValueError, match=f"^{count} runs and a residue of None nL: expected a run, and less residue$"
        ):
            measure(runs, TIMED)
    slow = measure([run(1_000_000, nl=20_900)], TIMED)
    assert (slow.rate_nl_per_s, slow.rates_nl_per_s) == (1, (1,))


def test_each_run_s_own_rate_is_told() -> None:
    """In their order, to whole nanolitres; a weighed volume has no residue, an unsensed liquid is taken as warm."""
    both = measure([run(80_000, temp=None), run(88_000)], TIMED)
    assert (both.rates_nl_per_s, both.rate_nl_per_s) == ((6_000, 5_455), 5_727)
    assert measure([run(1_000, nl=10)], WEIGHED).rate_nl_per_s == 10


def test_runs_are_as_unsure_as_they_differ_and_as_devices_do() -> None:
    """What is known of such devices counts as four runs; timing and repeatability fall with the root of their number,
    the residue does not.
    """
    assert dict(measure([run(80_000)], TIMED).parts_ppm)["repeatability"] == 50_000
    equal = dict(measure([run(80_000)] * 2, TIMED).parts_ppm)
    assert (equal["residue"], equal["timing"]) == (25_000, round(1_250 / 2**0.5))
    assert equal["repeatability"] == round(50_000 * (4 / 5) ** 0.5 / 2**0.5)
    apart = dict(measure([run(80_000), run(88_000)], TIMED).parts_ppm)
    own = 2 * (1e6 / 21) ** 2
    assert apart["repeatability"] == round(((own + 1e10) / 5) ** 0.5 / 2**0.5)
