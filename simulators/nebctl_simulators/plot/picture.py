"""The picture itself: panels one above the other on one axis of time, in colours that everybody can tell apart.

The colours are Okabe and Ito's, and each line has its own dashes too, so that it is known without its colour.
Source: Okabe, Ito: Color Universal Design (2008), https://jfly.uni-koeln.de/color/
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from nebctl_simulators.plot.run import Fault, Row, Run, Step, on_s, steps
from nebctl_simulators.plot.scales import Point, Scale, thinned, time_ticks, time_unit, value_ticks

WIDTH, LEFT, RIGHT, TOP = 960, 168, 24, 78
GAP, HEAD, LANE = 16, 24, 20
MOST_LANES = 10
MOST_LINES = 60
"""Faults past this number are ticks in their lanes alone: lines through all panels would cover the curves."""

STYLE = """
    .ground { fill: #ffffff; } .panel { fill: #f6f8fa; stroke: #8494a5; } .grid { stroke: #d5dce3; }
    text { fill: #1b2530; font-size: 13px; } .small { font-size: 12px; fill: #475563; } .head { font-weight: 600; }
    .title { font-size: 17px; font-weight: 600; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .rate, .emitted { stroke: #0072b2; } .cup { stroke: #b35900; stroke-dasharray: 7 4; }
    .vapour { stroke: #007a5a; stroke-dasharray: 2 4; } .current { stroke: #a8457f; }
    .RUN { fill: #0072b2; } .SWEEP { fill: #e69f00; } .OFF { fill: #c3ccd5; } .other { fill: #a8457f; }
    .fault { stroke: #c03800; stroke-width: 2.4; } .through { stroke: #c03800; stroke-dasharray: 3 4; opacity: .55; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #11161c; } .panel { fill: #19212a; stroke: #64748a; } .grid { stroke: #2f3b48; }
      text { fill: #e8eef4; } .small { fill: #b3c0cd; }
      .rate, .emitted { stroke: #56b4e9; } .cup { stroke: #f0a830; } .vapour { stroke: #3ccf9f; }
      .current { stroke: #e59ac4; }
      .RUN { fill: #56b4e9; } .SWEEP { fill: #e69f00; } .OFF { fill: #4a5866; } .other { fill: #e59ac4; }
      .fault { stroke: #ff8a5c; } .through { stroke: #ff8a5c; }
    }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a panel: its name in the legend, its class in the style, and its points in s and the panel's unit."""

    name: str
    style: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Some curves with one axis; `height` in pixels."""

    title: str
    height: int
    curves: tuple[Curve, ...]


def draw(run: Run, name: str) -> str:
    """Return the picture of a run as the text of an SVG file; `name` is what its title calls it."""
    panels = list(_panels(run))
    lanes = _lanes(run.faults)
    times = Scale(*run.span, LEFT, WIDTH - RIGHT)
    body: list[str] = []
    top = TOP
    for panel in panels:
        body += _draw_panel(panel, times, top + HEAD)
        top += HEAD + panel.height + GAP
    body += _draw_output(run, times, top + HEAD)
    top += HEAD + LANE + GAP
    if lanes:
        body += _draw_lanes(lanes, times, top + HEAD)
        top += HEAD + LANE * len(lanes) + GAP
    body += _draw_through(run.faults, times, TOP + HEAD, top - GAP)
    body += _draw_times(run, times, top - GAP)
    return "\n".join([*_opening(run, name, top + 44), *body, "</svg>", ""])


def _panels(run: Run) -> Iterator[Panel]:
    yield Panel(
        title="Output rate, mL/min",
        height=120,
        curves=(Curve(name="mean rate", style="rate", points=_stairs(steps(run.rows))),),
    )
    volumes: tuple[tuple[str, str, Callable[[Row], float | None]], ...] = (
        ("emitted", "emitted", lambda row: row.emitted_ml),
        ("in the cup", "cup", lambda row: row.cup_ml),
        ("vapour", "vapour", lambda row: row.vapour_ml),
    )
    curves = (Curve(name=name, style=style, points=_points(run.rows, value)) for name, style, value in volumes)
    shown = tuple(curve for curve in curves if curve.style != "vapour" or any(value for _, value in curve.points))
    yield Panel(title="Volume, mL", height=150, curves=tuple(curve for curve in shown if curve.points))
    current = _points(_held(run.rows), lambda row: row.current_ma)
    if current:
        curve = Curve(name="current of the mesh", style="current", points=current)
        yield Panel(title="Drive current, mA", height=100, curves=(curve,))


def _points(rows: Iterable[Row], value: Callable[[Row], float | None]) -> list[Point]:
    found = ((row.t_s, value(row)) for row in rows)
    return [(t_s, number) for t_s, number in found if number is not None]


def _held(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows, and before each change of output once more what was so until then: a current jumps there."""
    for row, after in pairwise(rows):
        yield row
        if after.output != row.output:
            yield replace(row, t_s=after.t_s)
    yield rows[-1]


def _stairs(parts: Iterable[Step]) -> list[Point]:
    return [(t_s, step.rate_ml_min) for step in parts for t_s in (step.from_s, step.to_s)]


def _lanes(faults: Iterable[Fault]) -> list[tuple[str, list[Fault]]]:
    """Return the faults by name, the commonest first; those past the tenth lane share it."""
    named: dict[str, list[Fault]] = {}
    for fault in faults:
        named.setdefault(fault.name, []).append(fault)
    ranked = sorted(named.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(ranked) <= MOST_LANES:
        return ranked
    rest = ranked[MOST_LANES - 1 :]
    return [*ranked[: MOST_LANES - 1], (f"{len(rest)} others", [fault for _, found in rest for fault in found])]


def _opening(run: Run, name: str, height: int) -> list[str]:
    first, last = run.span
    emitted = run.rows[-1].emitted_ml - run.rows[0].emitted_ml
    told = f"{emitted:.3f} mL emitted in {last - first:.1f} s, output on for {on_s(run.rows):.1f} s, "
    told += "no faults" if not run.faults else "1 fault" if len(run.faults) == 1 else f"{len(run.faults)} faults"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title desc" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">",
        f'<title id="title">Simulated run {escape(name)}</title>',
        f'<desc id="desc">{escape(told)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="10"/>',
        f'<text class="title" x="24" y="36">Simulated run {escape(name)}</text>',
        f'<text class="small" x="24" y="58">{escape(told)}</text>',
    ]


def _draw_panel(panel: Panel, times: Scale, top: int) -> Iterator[str]:
    ticks = value_ticks(max((value for curve in panel.curves for _, value in curve.points), default=0.0))
    values = Scale(ticks[0], ticks[-1], top + panel.height, top)
    yield _frame(panel.title, top, panel.height)
    for tick in ticks:
        y = values.at(tick)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    x = WIDTH - RIGHT
    for curve in reversed(panel.curves):
        x -= round(6.8 * len(curve.name))
        yield f'<text class="small" x="{x}" y="{top - 8}">{curve.name}</text>'
        yield f'<path class="line {curve.style}" d="M{x - 36} {top - 12}h28"/>'
        x -= 56
    for curve in panel.curves:
        spots = thinned([(times.at(t_s), values.at(value)) for t_s, value in curve.points])
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        yield f'<path class="line {curve.style}" d="M{path}"/>'


def _draw_output(run: Run, times: Scale, top: int) -> Iterator[str]:
    yield _frame("Output", top, LANE)
    x = WIDTH - RIGHT
    known = [name for name in ("OFF", "SWEEP", "RUN") if any(row.output == name for row in run.rows)]
    others = sorted({row.output for row in run.rows} - set(known))
    for name in reversed([*known, *others]):
        x -= 9 * len(name) + 4
        yield f'<text class="small" x="{x}" y="{top - 8}">{escape(name)}</text>'
        yield f'<rect class="{_state(name)}" x="{x - 22}" y="{top - 18}" width="16" height="11"/>'
        x -= 34
    for begin, end, output in _stretches(run.rows):
        left = times.at(begin)
        width = max(0.5, times.at(end) - left)
        told = f"{output} from {begin:.1f} s to {end:.1f} s"
        yield f'<rect class="{_state(output)}" x="{left:.1f}" y="{top + 4}" width="{width:.1f}" height="{LANE - 8}">'
        yield f"<title>{escape(told)}</title></rect>"


def _stretches(rows: Sequence[Row]) -> Iterator[tuple[float, float, str]]:
    start = rows[0]
    for row in rows[1:]:
        if row.output != start.output:
            yield start.t_s, row.t_s, start.output
            start = row
    if rows[-1].t_s > start.t_s:
        yield start.t_s, rows[-1].t_s, start.output


def _state(output: str) -> str:
    return output if output in ("OFF", "SWEEP", "RUN") else "other"


def _draw_lanes(lanes: Sequence[tuple[str, Sequence[Fault]]], times: Scale, top: int) -> Iterator[str]:
    yield _frame("Faults", top, LANE * len(lanes))
    for number, (name, faults) in enumerate(lanes):
        y = top + number * LANE
        count = f" x {len(faults)}" if len(faults) > 1 else ""
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}{count}</text>'
        if number:
            yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        seen: set[int] = set()
        for fault in faults:
            x = times.at(fault.t_s)
            if int(x) not in seen:  # ten thousand on one pixel are one tick
                seen.add(int(x))
                yield f'<path class="fault" d="M{x:.1f} {y + 3}v{LANE - 6}">'
                yield f"<title>{escape(_told(fault))}</title></path>"


def _told(fault: Fault) -> str:
    return f"{fault.name} at {fault.t_s:.1f} s" + (f" ({fault.said})" if fault.said else "")


def _draw_through(faults: Sequence[Fault], times: Scale, top: int, bottom: int) -> Iterator[str]:
    if len(faults) <= MOST_LINES:
        for fault in faults:
            yield f'<path class="through" d="M{times.at(fault.t_s):.1f} {top}V{bottom}"/>'


def _draw_times(run: Run, times: Scale, bottom: int) -> Iterator[str]:
    seconds, name = time_unit(run.span[1] - run.span[0])
    for t_s in time_ticks(*run.span):
        x = times.at(t_s)
        yield f'<path class="panel" d="M{x:.1f} {bottom}v6"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 21}" text-anchor="middle">{t_s / seconds:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) // 2
    yield f'<text class="small" x="{middle}" y="{bottom + 42}" text-anchor="middle">plant time, {name}</text>'


def _frame(title: str, top: int, height: int) -> str:
    return (
        f'<text class="head" x="{LEFT}" y="{top - 8}">{title}</text>'
        f'<rect class="panel" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}"/>'
    )
