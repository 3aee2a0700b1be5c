"""Conditions of a profile: which values of points mean a state, and values that make one hold and others not."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction

from nebctl_simulators.modbus.points import Number, Point

Item = Fraction | str
"""A number, the name of one, a text, or a flag: "DRY" is set, "!DRY" is not."""
Condition = Mapping[str, tuple[Item, ...]]
"""Points, each with the values of which it has one; all points must agree."""
Values = dict[str, Number | str]


def settle(
    values: Values, points: Mapping[str, Point], wanted: Sequence[Condition], unwanted: Sequence[Condition]
) -> None:
    """Make every wanted condition hold by its first values, and no unwanted one where the wanted ones leave room."""
    for name in {name for condition in (*wanted, *unwanted) for name in condition}:
        values.setdefault(name, "" if points[name].type == "ascii" else 0)
    taken = set()
    for condition in wanted:
        for name, items in condition.items():
            _put(values, points[name], items[0])
            taken.add((name, _flag(points[name], items[0])))
    for condition in unwanted:
        if condition and holds(values, points, condition):
            _break(values, points, condition, taken)


def holds(values: Values, points: Mapping[str, Point], condition: Condition) -> bool:
    """Return whether each point of a condition has one of its values."""
    return all(any(_is(values[name], points[name], item) for item in items) for name, items in condition.items())


def _flag(point: Point, item: Item) -> str:
    """Return the name of a flag; empty where the point has none."""
    return item.removeprefix("!") if isinstance(item, str) and point.bits else ""


def _meant(point: Point, item: Item) -> Number | str:
    return Fraction(point.names[item]) if isinstance(item, str) and item in point.names else item


def _is(value: Number | str, point: Point, item: Item) -> bool:
    if point.bits and isinstance(item, str) and not isinstance(value, str):
        return bool(int(value) >> point.bits[_flag(point, item)] & 1) != item.startswith("!")
    return value == _meant(point, item)


def _put(values: Values, point: Point, item: Item) -> None:
    before = values[point.name]
    if point.bits and isinstance(item, str) and not isinstance(before, str):
        bit = 1 << point.bits[_flag(point, item)]
        values[point.name] = int(before) & ~bit if item.startswith("!") else int(before) | bit
    else:
        values[point.name] = _meant(point, item)


def _break(
    values: Values, points: Mapping[str, Point], condition: Condition, taken: Collection[tuple[str, str]]
) -> None:
    """Take one point of a condition away from it, one that no wanted condition needs; where there is none, leave it."""
    for name, items in condition.items():
        point = points[name]
        if point.bits:
            flags = [item for item in items if isinstance(item, str)]
            if any((name, _flag(point, item)) in taken for item in flags):
                continue
            for item in flags:
                _put(values, point, item[1:] if item.startswith("!") else f"!{item}")
            return
        if point.type == "ascii" and (name, "") not in taken:
            values[name] = ""
            return
        if (name, "") not in taken:
            values[name] = next(number for number in _numbers() if not any(_is(number, point, item) for item in items))
            return


def _numbers() -> Iterator[Fraction]:
    number = Fraction(0)
    while True:
        yield number
        number += 1
