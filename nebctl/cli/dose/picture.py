"""The curve of a dose with its band, as SVG: what was emitted, how sure that is, and what happened on the way.

The colours are Okabe and Ito's, and each line has its own dashes too, so that it is known without its colour.
Source: Okabe, Ito: Color Universal Design (2008), https://jfly.uni-koeln.de/color/
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from nebctl.cli.dose.figures import Figures
from nebctl.core.dose.reading import Doing
from nebctl.core.dose.replay import Row
from nebctl.core.units import NL_PER_ML, format_ml

WIDTH, LEFT, RIGHT, TOP, HEIGHT, LANE = 960, 70, 28, 112, 320, 22
AFTER = 44
"""Room behind the last row for the settled interval, in pixels."""
MOST_FINDINGS = 6
GAP_MS = 3_000
"""Rows further apart than this are a gap: at the bedside a reading older than 2 s is no longer shown."""
STYLE = """
    .ground { fill: #ffffff; } .panel { fill: #f6f8fa; stroke: #8494a5; } .grid { stroke: #d5dce3; }
    text { fill: #1b2530; font-size: 13px; } .small { font-size: 12px; fill: #475563; }
    .title { font-size: 17px; font-weight: 600; } .band { fill: #56b4e9; fill-opacity: .35; stroke: none; }
    .best { fill: none; stroke: #0072b2; stroke-width: 2.2; stroke-linejoin: round; }
    .truth { fill: none; stroke: #b33c00; stroke-width: 1.8; stroke-dasharray: 6 4; }
    .limit { stroke: #475563; stroke-dasharray: 2 4; } .running { fill: #0072b2; } .off { fill: #c3ccd5; }
    .paused { fill: #e69f00; } .lost { fill: #a8457f; } .gap { fill: #a8457f; fill-opacity: .12; }
    .mark { stroke: #b33c00; stroke-width: 1.4; } .dry { stroke: #1b2530; stroke-width: 1.4; stroke-dasharray: 5 3; }
    .settled { fill: none; stroke: #1b2530; stroke-width: 1.8; } .settled-best { fill: #1b2530; }
    .bubble { fill: #b33c00; } .number { fill: #ffffff; font-size: 11px; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale: `low` lies at the coordinate `begin`, `high` at `end`."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Return the coordinate of a value."""
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)


def draw(figures: Figures) -> str:
    """Return the picture as the text of an SVG file."""
    rows = figures.replayed.rows
    first_ms, last_ms = rows[0].at_ms, max(rows[-1].at_ms, rows[0].at_ms + 1)
    times = Scale(first_ms, last_ms, LEFT, WIDTH - RIGHT - AFTER)
    top_nl = max(rows[-1].high_nl, figures.final.high_nl, figures.limits.upper_nl, figures.really_emitted_nl or 0)
    ticks = _ticks(top_nl / NL_PER_ML)
    volumes = Scale(0, ticks[-1] * NL_PER_ML, TOP + HEIGHT, TOP)
    told = _told(figures)
    height = TOP + HEIGHT + LANE + 74 + 20 * len(told)
    body = [
        *_opening(figures, height),
        *_axes(ticks, volumes, times, first_ms, last_ms),
        *_gaps(figures, times),
        *_limits(figures, volumes),
        *_curve(rows, times, volumes),
        *_truth(figures, times, volumes),
        *_lane(figures, times),
        *_marks(figures, times),
        *_settled(figures, volumes),
        *_legend(figures),
        *(_line(number, text) for number, text in enumerate(told)),
    ]
    return "\n".join([*body, "</svg>", ""])


def _opening(figures: Figures, height: int) -> Iterator[str]:
    final = figures.final
    volume = f"{format_ml(final.best_nl)} mL emitted, 95 % from {format_ml(final.low_nl, 2, 'down')}"
    said = f"{volume} to {format_ml(final.high_nl, 2, 'up')} mL; {figures.conduct.value}, {figures.verdict.value}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title desc" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">"
    )
    yield f'<title id="title">Dose of {escape(figures.trace)}</title>'
    yield f'<desc id="desc">{escape(said)}</desc>'
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="ground" width="{WIDTH}" height="{height}" rx="10"/>'
    yield f'<text class="title" x="24" y="34">{escape(said)}</text>'
    yield f'<text class="small" x="24" y="56">{escape(figures.trace)}, {escape(figures.preset)}</text>'


def _axes(ticks: Sequence[float], volumes: Scale, times: Scale, first_ms: int, last_ms: int) -> Iterator[str]:
    right = WIDTH - RIGHT
    yield f'<rect class="panel" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{HEIGHT}"/>'
    for tick in ticks:
        y = volumes.at(tick * NL_PER_ML)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    yield f'<text class="small" x="{LEFT - 8}" y="{TOP - 10}" text-anchor="end">mL</text>'
    unit_ms, name = (60_000, "min") if last_ms - first_ms >= 180_000 else (1_000, "s")
    step = _step((last_ms - first_ms) / unit_ms, 12)
    bottom = TOP + HEIGHT + LANE + 8
    for number in range(math.ceil(first_ms / unit_ms / step), math.floor(last_ms / unit_ms / step + 1e-9) + 1):
        x = times.at(number * step * unit_ms)
        yield f'<path class="panel" d="M{x:.1f} {bottom}v6"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{number * step:g}</text>'
    middle = (LEFT + right) / 2
    yield f'<text class="small" x="{middle}" y="{bottom + 38}" text-anchor="middle">time of the trace, {name}</text>'


def _curve(rows: Sequence[Row], times: Scale, volumes: Scale) -> Iterator[str]:
    """Yield band and line; of each pixel column the widest band is shown, so that no moment is hidden."""
    columns: dict[int, list[Row]] = {}
    for row in rows:
        columns.setdefault(int(times.at(row.at_ms)), []).append(row)
    spots = [(times.at(each[-1].at_ms), each) for each in columns.values()]
    upper = [f"{x:.1f} {volumes.at(max(row.high_nl for row in each)):.1f}" for x, each in spots]
    lower = [f"{x:.1f} {volumes.at(min(row.low_nl for row in each)):.1f}" for x, each in reversed(spots)]
    best = [f"{x:.1f} {volumes.at(each[-1].best_nl):.1f}" for x, each in spots]
    yield f'<path class="band" d="M{"L".join([*upper, *lower])}Z"/>'
    yield f'<path class="best" d="M{"L".join(best)}"/>'


def _truth(figures: Figures, times: Scale, volumes: Scale) -> Iterator[str]:
    if not figures.truth:
        return
    first = figures.truth[0]
    seen = [row for row in figures.truth if times.low <= row.at_ms <= times.high]
    spots = [f"{times.at(row.at_ms):.1f} {volumes.at(row.emitted_nl - first.emitted_nl):.1f}" for row in seen]
    if spots:
        yield f'<path class="truth" d="M{"L".join(spots)}"/>'


def _limits(figures: Figures, volumes: Scale) -> Iterator[str]:
    for nl, name in ((figures.limits.lower_nl, "least"), (figures.limits.upper_nl, "most")):
        y = volumes.at(nl)
        yield f'<path class="limit" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="small" x="{LEFT + 8}" y="{y - 4:.1f}">{name} of a whole dose, {format_ml(nl)} mL</text>'


def _stretches(figures: Figures) -> Iterator[tuple[int, int, Doing]]:
    """Yield from when to when the device did one thing."""
    start = figures.readings[0]
    for reading in figures.readings[1:]:
        if reading.doing is not start.doing:
            yield start.at_ms, reading.at_ms, start.doing
            start = reading
    yield start.at_ms, figures.readings[-1].at_ms, start.doing


def _lane(figures: Figures, times: Scale) -> Iterator[str]:
    y = TOP + HEIGHT + 4
    for begin, end, doing in _stretches(figures):
        x, said = times.at(begin), f"{doing.value} from {begin / 1000:.1f} s to {end / 1000:.1f} s"
        width = max(0.8, times.at(end) - x)
        yield f'<rect class="{doing.value}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE - 8}">'
        yield f"<title>{said}</title></rect>"


def _gaps(figures: Figures, times: Scale) -> Iterator[str]:
    """Yield the stretches in which the device was not heard: lost, or without any reading."""
    for before, after in pairwise(figures.readings):
        if before.doing is Doing.LOST or after.at_ms - before.at_ms > GAP_MS:
            x = times.at(before.at_ms)
            width = max(0.8, times.at(after.at_ms) - x)
            yield f'<rect class="gap" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT}"/>'


def _marks(figures: Figures, times: Scale) -> Iterator[str]:
    dry = next((reading for reading in figures.readings if reading.dry), None)
    if dry is not None:
        x = times.at(dry.at_ms)
        yield f'<path class="dry" d="M{x:.1f} {TOP}v{HEIGHT}"/>'
        yield f'<text class="small" x="{x - 6:.1f}" y="{TOP + HEIGHT - 8}" text-anchor="end">dry</text>'
    for number, finding in enumerate(figures.replayed.findings[:MOST_FINDINGS], start=1):
        x = times.at(finding.at_ms)
        yield f'<path class="mark" d="M{x:.1f} {TOP}v{HEIGHT}"/>'
        yield f'<circle class="bubble" cx="{x:.1f}" cy="{TOP - 2}" r="8"/>'
        yield f'<text class="number" x="{x:.1f}" y="{TOP + 2}" text-anchor="middle">{number}</text>'


def _settled(figures: Figures, volumes: Scale) -> Iterator[str]:
    """Yield the interval that the verdict is about, behind the last row."""
    x, final = WIDTH - RIGHT - AFTER / 2, figures.final
    low, best, high = (volumes.at(nl) for nl in (final.low_nl, final.best_nl, final.high_nl))
    yield f'<path class="settled" d="M{x - 7} {low:.1f}h14M{x - 7} {high:.1f}h14M{x} {low:.1f}V{high:.1f}"/>'
    yield f'<circle class="settled-best" cx="{x}" cy="{best:.1f}" r="4.5"/>'


def _legend(figures: Figures) -> Iterator[str]:
    x, y = LEFT, 84
    shown = [("best", "emitted", "path"), ("band", "95 %", "rect"), ("settled", "settled", "path")]
    shown += [("truth", "truth", "path")] if figures.truth else []
    doings = {reading.doing for reading in figures.readings}
    shown += [(doing.value, doing.value, "rect") for doing in Doing if doing in doings]
    for style, name, kind in shown:
        if kind == "path":
            yield f'<path class="{style}" d="M{x} {y - 4}h26"/>'
        else:
            yield f'<rect class="{style}" x="{x}" y="{y - 10}" width="26" height="11"/>'
        yield f'<text class="small" x="{x + 32}" y="{y}">{name}</text>'
        x += 32 + round(7.2 * len(name)) + 22


def _told(figures: Figures) -> list[str]:
    found = figures.replayed.findings
    lines = [
        f"{number}  {finding.at_ms / 1000:.1f} s, {finding.code}: {finding.sentence}"
        for number, finding in enumerate(found, 1)
    ]
    if len(lines) > MOST_FINDINGS:
        lines = [*lines[:MOST_FINDINGS], f"and {len(found) - MOST_FINDINGS} more"]
    return lines


def _line(number: int, text: str) -> str:
    return f'<text class="small" x="24" y="{TOP + HEIGHT + LANE + 74 + 20 * number}">{escape(text)}</text>'


def _ticks(highest: float) -> list[float]:
    """Return round values from 0 to the first one that is not below `highest`."""
    step = _step(highest, 8)
    return [number * step for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _step(length: float, most: int) -> float:
    """Return the round step that divides a length into no more than `most` parts."""
    rough = max(length, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999_999)
