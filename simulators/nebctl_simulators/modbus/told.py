"""Values in registers told falsely: the frames are good, and what they say is not so."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from nebctl_simulators.armed import Moment, Tag
from nebctl_simulators.modbus.points import Point
from nebctl_simulators.shim import Shim
from nebctl_simulators.values import Reach, ValueFault, tell_falsely


class Telling:
    """The values that a unit tells, with the reach of each, and the faults that they can have."""

    def __init__(self, points: Mapping[str, Point], reaches: Mapping[str, Reach]) -> None:
        self.points = points
        self._reaches = reaches
        possible = {
            ValueFault.NAN: any(point.type == "float32" for point in points.values()),
            ValueFault.WORD_SWAPPED: any(point.size == 2 for point in points.values()),
            ValueFault.UNITS_CHANGED: any(reach.other for reach in reaches.values()),
        }
        self.faults = tuple(fault.value for fault in ValueFault if points and possible.get(fault, True))

    def spoil(
        self, shim: Shim, table: str, first: int, words: Sequence[int], now_ns: int, tag: Tag, at: Moment
    ) -> tuple[int, ...]:
        """Return the registers of a read from `first` on as the armed faults let them be told."""
        if not shim.has_any(self.faults):
            return tuple(words)
        there = dict(self._whole(table, first, len(words)))
        values = {name: float(point.unpack(_cut(words, first, point))) for name, point in there.items()}
        told, swapped = tell_falsely(shim, self.faults, values, self._reaches, now_ns, tag, at)
        spoilt = list(words)
        for name, point in there.items():
            own = _cut(words, first, point) if told[name] == values[name] else _pack(point, told[name])
            if name in swapped:
                own = own[::-1]
            spoilt[point.address - first : point.address - first + point.size] = own
        return tuple(spoilt)

    def _whole(self, table: str, first: int, count: int) -> Iterable[tuple[str, Point]]:
        for name, point in self.points.items():
            if point.table == table and first <= point.address and point.address + point.size <= first + count:
                yield name, point


def _cut(words: Sequence[int], first: int, point: Point) -> tuple[int, ...]:
    return tuple(words[point.address - first : point.address - first + point.size])


def _pack(point: Point, value: float) -> tuple[int, ...]:
    """Return the registers of a value; one that is no number stays as it was meant in whole numbers."""
    if not math.isnan(value):
        return point.pack(Fraction(value))
    words = struct.unpack(">HH", struct.pack(">f", math.nan))
    return words if point.order in ("ABCD", "BADC") else words[::-1]
