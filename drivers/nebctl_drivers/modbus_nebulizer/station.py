"""One Modbus unit by its profile: requests out of blocks and points, and measured values out of answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from nebctl.core.faults import FieldError
from nebctl_drivers.modbus import (
    Bits,
    Outcome,
    Read,
    ReadCoils,
    ReadDiscrete,
    ReadInput,
    ReadRequest,
    SetCoil,
    Words,
    Write,
    WriteOne,
    WriteRequest,
)
from nebctl_drivers.modbus_talk import say
from nebctl_drivers.profiles.codec import decode, encode, raw_number
from nebctl_drivers.profiles.profile import WRITE_ONE, Block, Condition, Point, Profile, Space

NS_PER_MS = 1_000_000


class Status(Enum):
    """How far a value can be believed."""

    OK = "ok"
    STALE = "stale"
    NAN = "nan"
    ALARM = "alarm"
    OUT_OF_RANGE = "out-of-range"


Shown: TypeAlias = Decimal | str | tuple[str, ...]
"""A number, a text, or the names of the flags that are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value with its unit; `at_ns` is the host's monotonic time of its arrival.

    `value` None means that there is none: never read (then `at_ns` is None too), or not a number.
    """

    value: Shown | None
    unit: str
    status: Status
    at_ns: int | None

    @property
    def sound(self) -> bool:
        """Return whether it is a fresh and plausible value."""
        return self.value is not None and self.status in {Status.OK, Status.ALARM}


@dataclass(frozen=True, slots=True)
class Taken:
    """The words of a block, and the host's monotonic time of their arrival in ns."""

    words: tuple[int, ...]
    at_ns: int


class Station:
    """One unit on a bus, by its profile; it keeps nothing."""

    def __init__(self, profile: Profile, unit: int) -> None:
        self.profile = profile
        self.unit = unit

    def read(self, block: Block) -> ReadRequest:
        """Return the request that reads a block."""
        match block.space:
            case Space.HOLDING:
                return Read(self.unit, block.address, block.count)
            case Space.INPUT:
                return ReadInput(self.unit, block.address, block.count)
            case Space.COIL:
                return ReadCoils(self.unit, block.address, block.count)
            case Space.DISCRETE:
                return ReadDiscrete(self.unit, block.address, block.count)

    def write(self, name: str, value: Decimal) -> WriteRequest:
        """Return the request that sets a point.

        Raises: `FieldError` for a value outside the point's limits, or between two of its steps.
        """
        point = self.profile.points[name]
        limits = point.limits
        if limits is not None and not limits.least <= value <= limits.most:
            raise FieldError(
                f"{name} {value} {point.unit} is outside its limits", f"give {limits.least} to {limits.most}"
            )
        words = encode(point.layout, value)
        if point.space is Space.COIL:
            return SetCoil(self.unit, point.address, on=bool(words[0]))
        if point.write_function == WRITE_ONE:
            return WriteOne(self.unit, point.address, words[0])
        return Write(self.unit, point.address, words)

    def blocks_of(self, points: Iterable[str]) -> tuple[Block, ...]:
        """Return the blocks in which points lie, each once, in the order of the profile."""
        wanted = {self.profile.points[name].block for name in points}
        return tuple(block for block in self.profile.blocks.values() if block.name in wanted)

    def measure(
        self, taken: Mapping[str, Taken], now_ns: int, names: Iterable[str] | None = None
    ) -> dict[str, Measured]:
        """Return the values of points, None for all, by what is known of their blocks.

        A point that is only written is left out.
        """
        points = (self.profile.points[name] for name in (self.profile.points if names is None else names))
        return {
            point.name: _measure_aged(self.profile.blocks[point.block], point, taken.get(point.block), now_ns)
            for point in points
            if point.block is not None
        }


def words_of(outcome: Outcome) -> tuple[int, ...] | str:
    """Return the words of an answer to a read, a bit as 0 or 1; or what it is instead."""
    match outcome:
        case Words(values=values):
            return values
        case Bits(values=bits):
            return tuple(map(int, bits))
        case _:
            return say(outcome)


def holds(condition: Condition, values: Mapping[str, Measured], profile: Profile) -> bool | str:
    """Return whether a condition holds; a text names the value that nobody can tell it by."""
    for name, expected in condition.items():
        measured = values[name]
        if not measured.sound:
            return f"{name} is {measured.status.value}"
        if not _is_one(measured.value, expected, flags=profile.points[name].layout.is_flags):
            return False
    return True


def describe(names: Iterable[str], values: Mapping[str, Measured]) -> str:
    """Return values for a person."""
    return ", ".join(f"{name} {_show(values[name])}" for name in names)


def _show(measured: Measured) -> str:
    if not measured.sound:
        return measured.status.value
    value = measured.value
    text = "+".join(value) or "none" if isinstance(value, tuple) else str(value)
    return text if measured.unit == "1" else f"{text} {measured.unit}"


def _is_one(value: Shown | None, expected: tuple[Decimal | str, ...], *, flags: bool) -> bool:
    if flags and isinstance(value, tuple):
        names = [name for name in expected if isinstance(name, str)]
        return any((name[1:] not in value) if name.startswith("!") else name in value for name in names)
    return value in expected


def _measure_aged(block: Block, point: Point, taken: Taken | None, now_ns: int) -> Measured:
    if taken is None:
        return Measured(value=None, unit=point.unit, status=Status.STALE, at_ns=None)
    start = point.address - block.address
    value, status = _measure(point, taken.words[start : start + point.layout.registers])
    if now_ns - taken.at_ns > block.stale_ms * NS_PER_MS:
        status = Status.STALE
    return Measured(value=value, unit=point.unit, status=status, at_ns=taken.at_ns)


def _measure(point: Point, words: tuple[int, ...]) -> tuple[Shown | None, Status]:
    value = decode(point.layout, words)
    if value is None or (point.nan and raw_number(point.layout, words) in point.nan):
        return None, Status.NAN
    if isinstance(value, str):
        return value, Status.OK
    if point.layout.is_flags:
        names = _flags(point, int(value))
        return names, Status.ALARM if set(names) & set(point.alarms) else Status.OK
    limits = point.limits
    inside = limits is None or limits.least <= value <= limits.most
    return value, Status.OK if inside else Status.OUT_OF_RANGE


def _flags(point: Point, number: int) -> tuple[str, ...]:
    """Return the names of the flags that are set; one that the profile does not name goes by its number."""
    names = {place: name for name, place in point.bits.items()}
    return tuple(names.get(place, f"bit{place}") for place in range(number.bit_length()) if number >> place & 1)
