"""When a saline run had aerosol, and what a balance saw leave in that time: the readings' own arithmetic."""

import math
from collections.abc import Callable

import pytest

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.dose.aerosol import FEWEST_WEIGHTS, Loss, Span, aerosol_span, weight_loss

WET_UA, DRY_UA = 80_000, 20_000
RATE_UG_MS = 6
"""6 mL in 1000 s: 6 micrograms a millisecond."""


def report(
    on_ms: int, output: Output = Output.RUNNING, ua: int | None = None, weight: int | None = None
) -> DeviceReport:
    """Return a reading of a run."""
    return DeviceReport(
        at_ns=0, output=output, run="0badcafe", on_ms=on_ms, end=EndCause.NONE, boot=1, drive_ua=ua, weight_ug=weight
    )


def off(on_ms: int, end: EndCause) -> DeviceReport:
    """Return the last reading of a run, which tells why it ended."""
    return DeviceReport(at_ns=0, output=Output.OFF, run="0badcafe", on_ms=on_ms, end=end, boot=1)


def dried(*currents: int | None) -> list[DeviceReport]:
    """Return a run of readings with these currents, a second apart from the first one on, that a dry mesh ended."""
    rows = [report(1000 * number, ua=ua) for number, ua in enumerate(currents, 1)]
    return [report(0, Output.SWEEP), *rows, off(1000 * len(rows) + 1000, EndCause.DRY)]


def falling(ms: int) -> int:
    """Return what a cup shows that loses as much all the time."""
    return 30_000_000 - RATE_UG_MS * ms


def on_a_balance(weight: Callable[[int], int | None], until_ms: int = 10_000) -> list[DeviceReport]:
    """Return a run on a balance that somebody stopped: a sweep of a second, then a reading each 200 ms."""
    rows = [report(ms, weight=weight(ms)) for ms in range(1_000, until_ms + 1, 200)]
    sweep = [report(ms, Output.SWEEP, weight=99_000_000) for ms in range(0, 1_000, 200)]
    return [*sweep, *rows, off(until_ms, EndCause.STOP)]


def test_no_aerosol_is_nothing_measured() -> None:
    """A device that never ran has no time, no loss and no temperature, each surely."""
    for reports in ([], [report(0, Output.SWEEP, weight=5), off(200, EndCause.STOP)]):
        assert aerosol_span(reports) == Span(ms=0, sigma_ms=0, temp_mc=None)
        assert weight_loss(reports) == Loss(ug=0, ms=0, sigma_ms=0)


@pytest.mark.parametrize("low_ua", [DRY_UA, 59_999])
@pytest.mark.parametrize("dry_rows", [2, 3])
def test_aerosol_ends_between_the_last_wet_and_the_first_dry_current(low_ua: int, dry_rows: int) -> None:
    """From half a second after the sweep's reading to the middle of the fall; three quarters is the wet share."""
    span = aerosol_span(dried(*[WET_UA] * 8, 60_000, *[low_ua] * dry_rows))
    assert span == Span(ms=9_000, sigma_ms=round(1000 / 6**0.5), temp_mc=None)


def test_a_middle_is_a_whole_millisecond() -> None:
    """Between readings an odd time apart it is the earlier one; without a sweep before it, aerosol begins after 0."""
    rows = [report(1_501, ua=WET_UA), report(4_000, ua=WET_UA), off(5_000, EndCause.STOP)]
    span = aerosol_span(rows)
    assert (span.ms, type(span.ms)) == (5_000 - 750, int)
    assert aerosol_span([report(2_001), off(5_000, EndCause.STOP)]).ms == 4_000


@pytest.mark.parametrize("currents", [(None,) * 9, (WET_UA,) * 9, (0,) * 9, (*(0,) * 6, WET_UA, 0, 0)])
def test_a_current_that_shows_no_fall_tells_no_end(currents: tuple[int | None, ...]) -> None:
    """Untold, steady, or mostly nothing: half a confirmation before the device went off, and as unsure as that."""
    span = aerosol_span(dried(*currents))
    assert span.ms == 10_000 - 2_500 - 500
    assert span.sigma_ms == round(math.hypot(1_450, 1000 / 12**0.5))


def test_a_device_that_was_dry_at_once_gave_no_aerosol() -> None:
    """Dry within its own time of proof: no time at all, and never less."""
    assert aerosol_span(dried(None)).ms == 0


def test_a_steady_loss_is_told_as_it_is() -> None:
    """All weights on one line: its loss over their time, without scatter; what a sweep shows is none of it."""
    assert weight_loss(on_a_balance(falling)) == Loss(ug=9_000 * RATE_UG_MS, ms=9_000, sigma_ms=0)
    assert weight_loss(on_a_balance(lambda ms: None if ms == 10_000 else falling(ms))).ms == 8_800


def test_what_is_weighed_after_the_end_of_aerosol_does_not_count() -> None:
    """A mesh that is dry loses nothing: its last weights would make the line too flat."""
    rows = [report(ms, ua=WET_UA, weight=falling(ms)) for ms in range(1_000, 10_001, 200)]
    dry = [report(ms, ua=DRY_UA, weight=falling(10_000)) for ms in range(10_200, 13_000, 200)]
    assert weight_loss([*rows, *dry, off(13_000, EndCause.DRY)]) == Loss(ug=54_000, ms=9_000, sigma_ms=0)


@pytest.mark.parametrize("scatter_ug", [500, 4_000])
def test_scatter_about_the_line_is_an_uncertainty_of_the_time(scatter_ug: int) -> None:
    """The standard error of a straight line's slope, as a share of it and so of the time."""
    loss = weight_loss(on_a_balance(lambda ms: falling(ms) + (scatter_ug if ms % 400 else -scatter_ug), 10_800))
    count = 50
    spread = math.sqrt(200**2 * count * (count**2 - 1) / 12)
    error = scatter_ug * math.sqrt(count / (count - 2)) / spread
    assert loss.ms == 9_800
    assert loss.ug == pytest.approx(9_800 * RATE_UG_MS, abs=scatter_ug)
    assert loss.sigma_ms == pytest.approx(9_800**2 * error / loss.ug, rel=0.003, abs=0.6)


@pytest.mark.parametrize("gain", [0, 1, 7])
def test_a_cup_that_does_not_become_lighter_lost_nothing_that_can_be_told(gain: int) -> None:
    """A flat line, or one that rises: no loss, as unsure as the time is long."""
    assert weight_loss(on_a_balance(lambda ms: 30_000_000 + gain * ms)) == Loss(ug=0, ms=9_000, sigma_ms=9_000)


def test_a_slow_loss_has_its_own_uncertainty() -> None:
    """A tenth of a microgram a millisecond is a loss too, and its scatter counts all the more."""
    loss = weight_loss(on_a_balance(lambda ms: 30_000_000 - ms // 10 + (20 if ms % 400 else -20)))
    assert 0 < loss.sigma_ms < loss.ms


def test_a_line_needs_ten_weights_at_different_times() -> None:
    """Nine tell nothing, ten do, and ten at one moment are one."""
    for count in (FEWEST_WEIGHTS - 1, FEWEST_WEIGHTS):
        rows = [report(ms, weight=falling(ms)) for ms in range(200, 200 * count + 1, 200)]
        loss = weight_loss([*rows, off(rows[-1].on_ms, EndCause.STOP)])
        assert loss == (Loss(ug=10_800, ms=1_800, sigma_ms=0) if count == 10 else Loss(ug=0, ms=0, sigma_ms=0))
    at_once = [report(200, weight=30_000_000 - number) for number in range(10)]
    assert weight_loss([*at_once, off(200, EndCause.STOP)]) == Loss(ug=0, ms=0, sigma_ms=0)
