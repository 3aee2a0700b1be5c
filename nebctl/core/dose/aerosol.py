"""When there was aerosol: what a device's readings say of the beginning and the end of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression, median_low

from nebctl.core.device import DeviceReport, EndCause, Output

CONFIRM_MS, CONFIRM_SIGMA_MS = 2_500, 1_450
"""How long a device proves that it is dry, where no current shows it: evenly between 0 and 5 s.

Source: docs/wire-protocol.md, section 6: OFF at most 5 s after the mesh runs dry.
"""
PRESS_SIGMA_MS = 1_500
"""How well a person says when aerosol ceases: an assumption, a second of doubt and half a second to press."""
FEWEST_WEIGHTS = 10
FALLEN = 0.75
"""A dry mesh draws less current; below this share of the run's own it is taken to be dry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How long there was aerosol, with its standard uncertainty, and the mean temperature in that time if sensed."""

    ms: int
    sigma_ms: int
    temp_mc: int | None


def aerosol_span(reports: Sequence[DeviceReport]) -> Span:
    """Return how long there was aerosol in a run, by all its readings in their order; none at all gives 0.

    It begins between the last reading that sweeps and the first that runs. It ends where the current falls, half a
    confirmation time before a dry OFF where there is no current to see, or at the OFF that a person asked for.
    """
    wet = [report for report in reports if report.output is Output.RUNNING]
    if not wet:
        return Span(ms=0, sigma_ms=0, temp_mc=None)
    begins, begin_sigma = _between([r.on_ms for r in reports if r.output is Output.SWEEP][-1:] or [0], wet[0].on_ms)
    ends, end_sigma = _end(wet, reports[-1])
    told = [report.temp_mc for report in wet if report.temp_mc is not None]
    sigma_ms = round((begin_sigma**2 + end_sigma**2) ** 0.5)
    return Span(ms=max(0, ends - begins), sigma_ms=sigma_ms, temp_mc=round(fmean(told)) if told else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a balance saw leave in a run: micrograms over milliseconds, its scatter as an uncertainty of the time."""

    ug: int
    ms: int
    sigma_ms: int


def weight_loss(reports: Sequence[DeviceReport]) -> Loss:
    """Return the loss of weight while there was aerosol, by a straight line through all weights; none is 0.

    The scatter about the line is taken as that of independent weighings; what they share is not in it.
    """
    wet = [report for report in reports if report.output is Output.RUNNING]
    until_ms = _end(wet, reports[-1])[0] if wet else 0
    weighed = [(r.on_ms, r.weight_ug) for r in wet if r.weight_ug is not None and r.on_ms <= until_ms]
    if len(weighed) < FEWEST_WEIGHTS or weighed[0][0] == weighed[-1][0]:
        return Loss(ug=0, ms=0, sigma_ms=0)
    times, weights = zip(*weighed, strict=True)
    slope, base = linear_regression(times, weights)
    ms = times[-1] - times[0]
    middle = fmean(times)
    scatter = sum((w - base - slope * t) ** 2 for t, w in weighed) / (len(weighed) - 2)
    sigma = (scatter / sum((t - middle) ** 2 for t in times)) ** 0.5
    return Loss(ug=max(0, round(-slope * ms)), ms=ms, sigma_ms=round(ms * sigma / -slope) if slope < 0 else ms)


def _end(wet: Sequence[DeviceReport], last: DeviceReport) -> tuple[int, float]:
    if last.end is not EndCause.DRY:
        return last.on_ms, PRESS_SIGMA_MS
    told = [report for report in wet if report.drive_ua is not None]
    usual = median_low(report.drive_ua or 0 for report in told) if told else 0
    fallen = next((i for i in range(len(told), 0, -1) if (told[i - 1].drive_ua or 0) >= FALLEN * usual), len(told))
    if not usual or fallen == len(told):
        return last.on_ms - CONFIRM_MS, CONFIRM_SIGMA_MS
    return _between([told[fallen - 1].on_ms], told[fallen].on_ms)


def _between(before_ms: list[int], after_ms: int) -> tuple[int, float]:
    """Return the middle of two readings, and the standard deviation of a moment that lies evenly between them."""
    return (before_ms[0] + after_ms) // 2, (after_ms - before_ms[0]) / 12**0.5
