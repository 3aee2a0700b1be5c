"""A device profile as it was read: blocks, points, and what they mean for a nebulizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from nebctl.core.device import EndCause

from .codec import Layout

REQUEST_BYTES = 8
"""A read request in RTU: unit, function, address, count and CRC. Source: Modbus over Serial Line V1.02, 2.5.1."""
ANSWER_BYTES = 5
"""What a read's answer has beside its data: unit, function, length and CRC."""


class Space(Enum):
    """One of the four tables of a Modbus device."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def holds_bits(self) -> bool:
        """Return whether an address of it is a single bit."""
        return self in {Space.COIL, Space.DISCRETE}

    @property
    def is_read_only(self) -> bool:
        """Return whether nothing of it can be written."""
        return self in {Space.INPUT, Space.DISCRETE}


WRITE_ONE, WRITE_MANY, WRITE_COIL = 6, 16, 5
"""The functions that write one register, several, and one coil.

Source: Modbus Application Protocol V1.1b3, 6.5, 6.6 and 6.12.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """The line settings that the device comes with; a unit's port may say otherwise."""

    baudrate: int
    parity: str
    stop_bits: int

    @property
    def char_bits(self) -> int:
        """Return the bits of one character on the wire: start, eight of data, parity, stop."""
        return 9 + (self.parity != "N") + self.stop_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class BusTimes:
    """How long the device takes, in milliseconds; `gap_ms` None means 3.5 characters, at least 1.75 ms."""

    answer_ms: int
    latency_ms: int
    gap_ms: int | None
    read_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one request reads. `address` counts from 0; times are in milliseconds."""

    name: str
    space: Space
    address: int
    count: int
    period_ms: int
    stale_ms: int

    def bytes_on_wire(self) -> int:
        """Return the bytes of request and answer in RTU."""
        data = (self.count + 7) // 8 if self.space.holds_bits else 2 * self.count
        return REQUEST_BYTES + ANSWER_BYTES + data


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The least and the most that a point is given or read as; `safe` None where it is read only."""

    least: Decimal
    most: Decimal
    safe: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value. `block` None means that it is written only. `write_function` is the function that writes it.

    `tolerance` is how far a read-back may be from what was written. `reset_value` is what it is after power-up, None
    where that is not known. `nan` are raw values, unsigned, that mean "none". `bits` and `alarms` name flags, `names`
    the meanings of numbers.
    """

    name: str
    block: str | None
    space: Space
    address: int
    layout: Layout
    unit: str
    access: str
    limits: Limits | None
    tolerance: Decimal
    reset_value: Decimal | None
    nan: tuple[int, ...]
    bits: Mapping[str, int]
    alarms: tuple[str, ...]
    names: Mapping[str, int]
    overlaps: tuple[str, ...]
    write_function: int

    @property
    def end(self) -> int:
        """Return the address after the last one of the value."""
        return self.address + self.layout.registers

    @property
    def readable(self) -> bool:
        """Return whether it can be read."""
        return "r" in self.access

    @property
    def writable(self) -> bool:
        """Return whether it can be written."""
        return "w" in self.access


Expected: TypeAlias = tuple[Decimal | str, ...]
"""The values of which a point has one, or the flags of which one is set."""
Condition: TypeAlias = Mapping[str, Expected]
"""What holds when every point named has one of its values."""


class Fill(Enum):
    """A value that the driver fills in at each start."""

    RUN = "run"
    MAX_ON = "max_on"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Setting:
    """One write of a start or a stop."""

    point: str
    value: Decimal | Fill


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """Where the device tells its fault: a flags point by its alarms, another one by a value other than `none`."""

    point: str
    none: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the points of a profile mean for a nebulizer; None or empty where the device has no such thing.

    `quantities` maps the report's quantities, such as "current", to points. `host_loss_off_ms` None means that the
    device never turns off by itself when its host falls silent.
    """

    start: tuple[Setting, ...]
    stop: tuple[Setting, ...]
    start_within_ms: int
    longest_on_ms: int
    beat: str | None
    run: str | None
    on_time: str | None
    boot: str | None
    serial: str | None
    firmware: str | None
    off: Condition
    running: Condition
    sweep: Condition
    dry: Condition
    fault: FaultPoint | None
    ends: tuple[str, Mapping[Decimal, EndCause]] | None
    quantities: Mapping[str, str]
    keeps_s14: bool
    host_loss_off_ms: int | None
    max_on_in_device: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A device with a Modbus register map.

    `verified` says what stands behind the map: "manual", "peer", "hardware" or "example". `unproven` names what has no
    golden frame. `roles` None means that the device is no nebulizer by itself.
    """

    id: str
    maker: str
    model: str
    source: str
    verified: str
    serial: Serial
    bus: BusTimes
    identity: Condition
    blocks: Mapping[str, Block]
    points: Mapping[str, Point]
    roles: Roles | None
    unproven: tuple[str, ...]
