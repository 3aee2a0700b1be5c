"""The figures of many judged runs: errors, coverage, false words, delays, beside those of the baselines."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from nebctl_lab.bench.dose.judge import TENTHS, RunResult

Figures = dict[str, Any]


def sum_up(results: Sequence[RunResult], kept_percent: float) -> Figures:
    """Return the figures of runs of one kind; `kept_percent` of the charge makes a stop count as premature.

    Errors and widths are in per cent of the charge, shares in per cent of the runs that they are of (None: of none),
    delays in seconds (None: that late or never).
    """
    stopped = [result for result in results if result.is_premature and result.kept >= kept_percent]
    finished = [result for result in results if result.is_complete]
    drawn = sum(result.complete_drawn for result in stopped)
    return {
        "runs": len(results),
        **_errors([result.error for result in results]),
        "width": _round(statistics.median(result.width for result in results)),
        "coverage": [_share(result.covered[tenth] for result in results) for tenth in range(TENTHS)],
        "premature": len(stopped),
        "false_complete": sum(result.complete for result in stopped),
        "false_complete_drawn": drawn,
        "finished": len(finished),
        "complete": _share(result.complete for result in finished),
        "complete_drawn": _share(result.complete_drawn for result in finished),
        "settled": {
            **_errors([result.settled_error for result in results]),
            "width": _round(statistics.median(result.settled_width for result in results)),
            "coverage": _share(result.settled_covered for result in results),
        },
        **_raised(results, kept_percent),
        **_found(results),
        **_alarms(results),
        "baselines": {name: _baseline(results, stopped, name) for name in ("stopwatch", "dry_signal")},
    }


def _errors(errors: Sequence[float]) -> Figures:
    sizes = [abs(error) for error in errors]
    return {
        "median_error": _round(statistics.median(sizes)),
        "p95_error": _round(quantile(sizes, 0.95)),
        "mean_error": _round(statistics.fmean(errors)),
    }


def _raised(results: Iterable[RunResult], kept_percent: float) -> Figures:
    delays = [
        result.raised_ms for result in results if result.stop_kept is not None and result.stop_kept >= kept_percent
    ]
    return _delays("raised", delays)


def _found(results: Iterable[RunResult]) -> Figures:
    return _delays("found", [result.found_ms for result in results if result.lost])


def _delays(name: str, delays: Sequence[int | None]) -> Figures:
    late = [float("inf") if delay is None else delay / 1000 for delay in delays]
    figures = {f"{name}_of": len(late), f"{name}_share": _share(delay is not None for delay in delays)}
    for what, part in (("median", 0.5), ("p95", 0.95)):
        seconds = quantile(late, part) if late else float("inf")
        figures[f"{name}_{what}_s"] = None if seconds == float("inf") else _round(seconds)
    return figures


def _alarms(results: Iterable[RunResult]) -> Figures:
    good = [result for result in results if result.is_good]
    false = Counter(code for result in results for code in set(result.alarms))
    alarmed = sum(bool(result.alarms) for result in good)
    return {
        "good": len(good),
        "false_alarms_per_100": _round(100 * alarmed / len(good)) if good else None,
        "false_alarms": dict(sorted(false.items())),
    }


def _baseline(results: Sequence[RunResult], stopped: Sequence[RunResult], name: str) -> Figures:
    errors = [getattr(result, name).error for result in results]
    return {**_errors(errors), "false_complete": sum(getattr(result, name).complete for result in stopped)}


def quantile(values: Iterable[float], part: float) -> float:
    """Return the least value that `part` of all values do not exceed; no value lies between two of them."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * part // 1) - 1)]


def _share(held: Iterable[bool]) -> float | None:
    values = list(held)
    return _round(100 * sum(values) / len(values)) if values else None


def _round(value: float) -> float:
    return round(value, 2)
