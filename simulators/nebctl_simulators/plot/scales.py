"""Axes: where a value lies on the paper, and which round values are written beside it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

TIME_UNITS = ((1, "s"), (60, "min"), (3600, "h"), (86_400, "d"))
TIME_STEPS = {
    "s": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    "min": (0.25, 0.5, 1, 2, 5, 10, 15, 30),
    "h": (0.5, 1, 2, 3, 6, 12),
    "d": (1, 2, 5, 10, 20, 50, 100, 200, 500),
}
MOST_TICKS = 12
LONGEST = 3
"""A unit of time is used for spans of at least so many of it."""


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


def value_ticks(highest: float, most: int = 5) -> list[float]:
    """Return round values from 0 to the first one that is not below `highest`; at least 0 and one more."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999_999)
    count = math.ceil(highest / step - 1e-9)
    return [number * step for number in range(count + 1)]


def time_unit(length_s: float) -> tuple[int, str]:
    """Return the unit for a span of this length: how many seconds it has, and its name."""
    fitting = [unit for unit in TIME_UNITS if length_s >= LONGEST * unit[0]]
    return fitting[-1] if fitting else TIME_UNITS[0]


def time_ticks(from_s: float, to_s: float) -> list[float]:
    """Return the times in s, round in their unit, that are written on an axis from one time to another."""
    seconds, name = time_unit(to_s - from_s)
    length = (to_s - from_s) / seconds
    step = next((step for step in TIME_STEPS[name] if length / step <= MOST_TICKS), TIME_STEPS[name][-1])
    first, last = math.ceil(from_s / seconds / step - 1e-9), math.floor(to_s / seconds / step + 1e-9)
    return [number * step * seconds for number in range(first, last + 1)]


def thinned(points: Sequence[Point]) -> Iterator[Point]:
    """Yield the points that can be seen: of each pixel column the first, the lowest, the highest and the last."""
    column: list[Point] = []
    for point in points:
        if column and int(point[0]) != int(column[0][0]):
            yield from _seen(column)
            column = []
        column.append(point)
    yield from _seen(column)


def _seen(column: Sequence[Point]) -> list[Point]:
    if len(column) <= 4:
        return list(column)
    heights = range(1, len(column) - 1)
    extremes = {min(heights, key=lambda i: column[i][1]), max(heights, key=lambda i: column[i][1])}
    return [column[0], *(column[place] for place in sorted(extremes)), column[-1]]
