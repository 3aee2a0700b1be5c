"""Faults of the values that a device tells: the frame is good, and what it says is not so."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nebctl_simulators.armed import Armed, Moment, Tag
from nebctl_simulators.shim import Shim

NS_PER_S = 1_000_000_000
PART = 0.1
DRIFT_PART_S = 0.01
SHOW_FAHRENHEIT = 1.8


class ValueFault(StrEnum):
    """What can be wrong with a value. `value` in the terms is in the value's own unit.

    STUCK: it stays what it was when the fault began. DRIFT: it runs away by `value` a second. JUMP: it is off by
    `value`. OUT_OF_RANGE: it is `value`, outside what there can be. NAN: it is no number. WORD_SWAPPED: its two
    registers have changed places. UNITS_CHANGED: it is told in another unit, as after somebody chose that.
    """

    STUCK = "stuck"
    DRIFT = "drift"
    NAN = "nan"
    JUMP = "jump"
    WORD_SWAPPED = "word_swapped"
    UNITS_CHANGED = "units_changed"
    OUT_OF_RANGE = "out_of_range"


ANY_DEVICE = (ValueFault.STUCK, ValueFault.DRIFT, ValueFault.JUMP, ValueFault.OUT_OF_RANGE)
"""What can happen to every value, however it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """From where to where a value can go, in its own unit; `other` gives it in another one, None: it has no other.

    Without a `value`, DRIFT runs 1 % of the reach a second, JUMP is 10 % of it, OUT_OF_RANGE that much above it.
    """

    least: float
    most: float
    other: Callable[[float], float] | None = None

    @property
    def width(self) -> float:
        """How far it reaches."""
        return self.most - self.least


Values = Mapping[str, float]


def tell_falsely(
    shim: Shim, names: Sequence[str], values: Values, reaches: Mapping[str, Reach], now_ns: int, tag: Tag, at: Moment
) -> tuple[dict[str, float], frozenset[str]]:
    """Return the values as the armed faults of these names let them be told, and those whose registers are swapped."""
    told, swapped = dict(values), set[str]()
    if not shim.has_any(names):
        return told, frozenset()
    for armed in shim.take_all(names, now_ns, tag):
        for point in told if armed.terms.point is None else {armed.terms.point} & told.keys():
            if armed.fault == ValueFault.WORD_SWAPPED:
                swapped.add(point)
            else:
                told[point] = _distort(armed, point, told[point], reaches[point], at)
    return told, frozenset(swapped)


def _distort(armed: Armed, point: str, value: float, reach: Reach, at: Moment) -> float:
    if armed.since_ns is None:
        armed.since_ns = at.plant_ns
    by = armed.terms.value
    match armed.fault:
        case ValueFault.STUCK:
            return armed.held.setdefault(point, value)
        case ValueFault.DRIFT:
            rate = DRIFT_PART_S * reach.width if by is None else by
            return value + rate * (at.plant_ns - armed.since_ns) / NS_PER_S
        case ValueFault.JUMP:
            return value + (PART * reach.width if by is None else by)
        case ValueFault.NAN:
            return math.nan
        case ValueFault.OUT_OF_RANGE:
            return reach.most + PART * reach.width if by is None else by
        case _:
            return value if reach.other is None else reach.other(value)


def show_fahrenheit(celsius: float) -> float:
    """Return a temperature in the other unit."""
    return celsius * SHOW_FAHRENHEIT + 32
