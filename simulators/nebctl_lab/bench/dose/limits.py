"""The limits that the estimate must keep, and for each of them what was measured."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nebctl_lab.bench.dose.parts import LOSSES, Part
from nebctl_lab.bench.dose.run import Column, Course, Origin, Stress

Figures = Mapping[str, Any]
Asked = tuple[str, str, str, bool | None]
COVERAGE_LOW, COVERAGE_HIGH = 93.0, 99.5
FALSE_ALARMS_PER_100 = 1.0
ENOUGH_RUNS = 1000
SURE = 2.33
"""Of fewer than `ENOUGH_RUNS` a share may miss its limit by what chance explains in 99 of 100 populations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one column of the table must reach: errors in per cent of the charge, shares in per cent, delays in s.

    A stop that keeps at least `kept` of the charge counts as premature. `drawn` says that completions are counted with
    the residual. None: there is no limit.
    """

    median: float
    p95: float
    kept: float
    complete: float
    drawn: bool = False
    raised_s: float | None = None
    found_s: float | None = None


LIMITS = {
    Column.MESH: Limits(median=3, p95=8, kept=20, complete=70, raised_s=10),
    Column.MESH_BALANCE: Limits(median=2, p95=5, kept=15, complete=95, raised_s=5, found_s=30),
    Column.JET: Limits(median=8, p95=18, kept=0, complete=95, drawn=True, found_s=60),
    Column.JET_BALANCE: Limits(median=6, p95=12, kept=0, complete=95, drawn=True, found_s=30),
}
SHARE_KNOWN = (3.0, 6.0)
"""Median and 95th percentile of a weighed jet whose f is calibrated."""
HIDDEN = "hidden until dry"
MARKS = {True: "kept", False: "NOT KEPT", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure beside its limit; `kept` None: it is told, and nothing is asked of it."""

    part: str
    column: str
    figure: str
    limit: str
    measured: str
    kept: bool | None


def lines_of(name: str, part: Part, column: Column, figures: Figures) -> Iterator[Line]:
    """Yield what is asked of one population as one column sees it."""
    for figure, limit, measured, kept in _asked(part, LIMITS[column], figures):
        asked = kept if limit and limit != HIDDEN else None
        yield Line(part=name, column=column.value, figure=figure, limit=limit, measured=measured, kept=asked)


def _asked(part: Part, limits: Limits, figures: Figures) -> Iterator[Asked]:
    """Yield figure, limit, what was measured, and whether it is kept; an empty limit asks nothing."""
    course, is_hard = part.case.course, part.case.stress is not Stress.NONE or part.case.origin is Origin.SECOND
    if course in LOSSES:
        yield _found(limits, figures)
        return
    yield _error(limits, part, figures, asked=course is Course.USUAL and not is_hard)
    yield _coverage_at_end(figures) if part.case.stress is not Stress.NONE else _coverage(figures)
    yield "interval at the end, median", "", f"{figures['width']} %", None
    if figures["premature"]:
        yield _false_words(limits, figures)
    if course is Course.PREMATURE:
        if limits.raised_s is not None:
            yield _delay(figures, "raised", "premature stop raised", limits.raised_s)
        return
    yield _completions(limits, figures, asked=not is_hard)
    yield _false_alarms(figures, asked=not is_hard)
    yield _baselines(figures)


def _error(limits: Limits, part: Part, figures: Figures, *, asked: bool) -> Asked:
    median, p95 = SHARE_KNOWN if part.case.share_known else (limits.median, limits.p95)
    kept = figures["median_error"] <= median and figures["p95_error"] <= p95
    measured = f"{figures['median_error']} / {figures['p95_error']} %"
    return "error at the end, median / 95th", f"{median:g} / {p95:g} %" if asked else "", measured, kept


def _coverage(figures: Figures) -> Asked:
    low, high = min(figures["coverage"]), max(figures["coverage"])
    runs = figures["runs"]
    kept = low >= COVERAGE_LOW - _slack(COVERAGE_LOW, runs) and high <= COVERAGE_HIGH + _slack(COVERAGE_HIGH, runs)
    limit = f"{COVERAGE_LOW:g} to {COVERAGE_HIGH:g} %"
    return "truth in the interval, at each tenth", limit, f"{low} to {high} %", kept


def _coverage_at_end(figures: Figures) -> Asked:
    """Return what is asked under stress: where the error grows, the interval grows with it."""
    share = figures["coverage"][-1]
    kept = share >= COVERAGE_LOW - _slack(COVERAGE_LOW, figures["runs"])
    return "truth in the interval, at the end", f"{COVERAGE_LOW:g} % or more", f"{share} %", kept


def _false_words(limits: Limits, figures: Figures) -> Asked:
    false = figures["false_complete"] + figures["false_complete_drawn"]
    which = f" that kept {limits.kept:g} % or more" * bool(limits.kept)
    return "false COMPLETE of premature stops", "0", f"{false} of {figures['premature']}{which}", not false


def _completions(limits: Limits, figures: Figures, *, asked: bool) -> Asked:
    share = figures["complete_drawn" if limits.drawn else "complete"]
    figure = "completions called COMPLETE" + ", with residual" * limits.drawn
    kept = share is not None and share >= limits.complete - _slack(limits.complete, figures["finished"])
    return figure, f"{limits.complete:g} % or more" if asked else "", f"{share} %", kept


def _false_alarms(figures: Figures, *, asked: bool) -> Asked:
    rate = figures["false_alarms_per_100"]
    kept = rate is not None and rate <= FALSE_ALARMS_PER_100 + _slack(FALSE_ALARMS_PER_100, figures["good"])
    limit = f"{FALSE_ALARMS_PER_100:g} or fewer" if asked else ""
    return "runs with a false alarm, of 100 good ones", limit, f"{rate}", kept


def _baselines(figures: Figures) -> Asked:
    told = [
        f"{name.replace('_', ' ')} {known['median_error']} / {known['p95_error']} %, "
        f"{known['false_complete']} false COMPLETE"
        for name, known in figures["baselines"].items()
    ]
    return "baselines: error, median / 95th", "", "; ".join(told), None


def _found(limits: Limits, figures: Figures) -> Asked:
    if limits.found_s is not None:
        return _delay(figures, "found", "25 % loss of rate found", limits.found_s)
    return "25 % loss of rate found", HIDDEN, f"in {figures['found_share']} % of runs", None


def _delay(figures: Figures, key: str, figure: str, limit_s: float) -> Asked:
    p95 = figures[f"{key}_p95_s"]
    measured = f"{'later' if p95 is None else f'{p95} s'}; in {figures[f'{key}_share']} % at all"
    return f"{figure}, 95 of 100", f"{limit_s:g} s", measured, p95 is not None and p95 <= limit_s


def _slack(percent: float, runs: int) -> float:
    """Return by how many per cent chance alone may move a share in so few runs."""
    if runs >= ENOUGH_RUNS or not runs:
        return 0.0
    part = percent / 100
    return 100 * SURE * math.sqrt(part * (1 - part) / runs)
