"""The control chart as SVG: points with their uncertainty, centre line, limits, and what breaks a rule, by name."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from nebctl.core.dose.control import Charted, Kind

WIDTH, HEIGHT = 880, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 64
INK, SOFT, LINE, BAND = "#1b2733", "#5b6b7a", "#2f6f9f", "#dbe8f2"
_MARKS = {Kind.CALIBRATION: "calibration", Kind.FAILED: "failed calibration", Kind.DOSE: "dose, from its residual"}


def chart_svg(charted: Sequence[Charted], title: str) -> str:
    """Return the chart as one SVG document, in order of the records; without a point it says so."""
    ys = _Scale(charted)
    body = [_frame(title, ys), *_limits(charted, ys)]
    body += [_point(each, i, len(charted), ys) for i, each in enumerate(charted)]
    if not charted:
        body.append(_text(WIDTH / 2, HEIGHT / 2, "no calibration and no weighed dose yet", anchor="middle"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


class _Scale:
    """Where a rate lies on the page, for a range that holds every point and limit and ends at round numbers."""

    def __init__(self, charted: Sequence[Charted]) -> None:
        ends = [_ml_min(v) for each in charted for v in _extent(each)] or [0.2, 0.6]
        span = max(max(ends) - min(ends), 0.02)
        self.step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if span / s <= 8)
        self.low = math.floor(min(ends) / self.step) * self.step
        self.high = math.ceil(max(ends) / self.step) * self.step

    def y(self, rate_nl_per_s: float) -> float:
        """Return the height of a rate on the page."""
        return self.at(_ml_min(rate_nl_per_s))

    def at(self, ml_min: float) -> float:
        """Return the height of a rate in mL/min."""
        share = (ml_min - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _extent(each: Charted) -> tuple[float, ...]:
    point = each.point
    own = (point.rate_nl_per_s - 2 * point.sigma_nl_per_s, point.rate_nl_per_s + 2 * point.sigma_nl_per_s)
    if each.centre_nl_per_s is None or each.sigma_nl_per_s is None:
        return own
    reach = 3 * each.sigma_nl_per_s
    return (*own, each.centre_nl_per_s - reach, each.centre_nl_per_s + reach)


def _ml_min(rate_nl_per_s: float) -> float:
    return rate_nl_per_s * 60 / 1e6


def _x(place: int, of: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(1, of)


def _frame(title: str, ys: _Scale) -> str:
    parts = [f'<text x="{LEFT}" y="24" font-size="16" font-weight="bold">{escape(title)}</text>']
    parts.append(_text(LEFT, 42, "mL/min; bars 95 %, shade 2 sigma, dashes 3 sigma of the calibration before", SOFT))
    for tick in range(round((ys.high - ys.low) / ys.step) + 1):
        value = ys.low + tick * ys.step
        y = ys.at(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e6ebf0"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:.2f}", SOFT, anchor="end"))
    for i, (kind, said) in enumerate(_MARKS.items()):
        x = LEFT + 8 + i * 190
        parts += [_mark(kind, x, HEIGHT - 14), _text(x + 12, HEIGHT - 10, said, SOFT)]
    return "\n".join(parts)


def _limits(charted: Sequence[Charted], ys: _Scale) -> list[str]:
    """Return centre line and limits, a piece for each point: a dose and a calibration have limits of their own."""
    half = (WIDTH - LEFT - RIGHT) / max(1, len(charted)) / 2
    parts = []
    for i, each in enumerate(charted):
        if each.centre_nl_per_s is None or each.sigma_nl_per_s is None:
            continue
        centre, sigma = each.centre_nl_per_s, each.sigma_nl_per_s
        x = _x(i, len(charted))
        top, bottom = ys.y(centre + 2 * sigma), ys.y(centre - 2 * sigma)
        parts.append(
            f'<rect x="{x - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}" height="{bottom - top:.1f}" fill="{BAND}"/>'
        )
        for reach, dash in ((-3, ' stroke-dasharray="5 4"'), (0, ""), (3, ' stroke-dasharray="5 4"')):
            y = ys.y(centre + reach * sigma)
            parts.append(f'<path d="M{x - half:.1f} {y:.1f}h{2 * half:.1f}" stroke="{LINE}"{dash}/>')
    return parts


def _point(each: Charted, place: int, of: int, ys: _Scale) -> str:
    point, x = each.point, _x(place, of)
    y, half = ys.y(point.rate_nl_per_s), 1.96 * point.sigma_nl_per_s
    top, bottom = ys.y(point.rate_nl_per_s + half), ys.y(point.rate_nl_per_s - half)
    parts = [f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{INK}"/>', _mark(point.kind, x, y)]
    if each.rules:
        names = " ".join(rule.name for rule in each.rules)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="11" fill="none" stroke="{INK}" stroke-width="2"/>')
        parts.append(_text(x, y - 16, names, anchor="middle", bold=True))
    if of <= 24 or place % -(-of // 24) == 0:
        parts.append(_text(x, HEIGHT - BOTTOM + 18, _day(point.at_ns), SOFT, anchor="middle"))
    return "\n".join(parts)


def _mark(kind: Kind, x: float, y: float) -> str:
    match kind:
        case Kind.CALIBRATION:
            return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{LINE}"/>'
        case Kind.FAILED:
            return (
                f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" stroke="{INK}" stroke-width="2" fill="none"/>'
            )
        case Kind.DOSE:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#ffffff" stroke="{LINE}" stroke-width="2"/>'


def _text(x: float, y: float, text: str, colour: str = INK, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%m-%d")
