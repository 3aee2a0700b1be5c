"""Reads any Modbus device by its profile."""

from collections.abc import Callable
from decimal import Decimal

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.modbus_nebulizer.assembly import profile_reader
from nebctl_drivers.modbus_nebulizer.station import Measured, Shown
from nebctl_drivers.profiles import Point, Profile

from .reader import Content, Readings, Status, Value


class ModbusReader:
    """The unit `unit` of `bus` by its profile; `port` names the wire for people, `now_ns` is the monotonic time."""

    def __init__(
        self, bus: Bus[Request, Outcome], profile: Profile, *, unit: int, port: str, now_ns: Callable[[], int]
    ) -> None:
        self._bus = bus
        self._now_ns = now_ns
        self._reader = profile_reader(bus, profile, unit=unit, port=port, now_ns=now_ns)
        self._profile = profile
        self._unit = unit

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._bus.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire, prove who answers where the profile says how, and return who it is."""
        failure = await self._reader.open()
        first = await self._reader.read() if failure is None else failure
        if isinstance(first, CommandFailed):
            await self._reader.close()
            return first
        serial = self._profile.roles.serial if self._profile.roles is not None else None
        told = f", serial {first[serial].value}" if serial is not None and first[serial].sound else ""
        return f"{self._profile.maker} {self._profile.model}, unit {self._unit}{told}"

    async def read(self) -> Readings | CommandFailed:
        """Read every block."""
        measured = await self._reader.read()
        if isinstance(measured, CommandFailed):
            return measured
        values = {name: show(value, self._profile.points[name]) for name, value in measured.items()}
        told_ns = [value.at_ns for value in measured.values() if value.at_ns is not None]
        return Readings(values, min(told_ns, default=self._now_ns()))

    async def close(self) -> None:
        """Leave the wire."""
        await self._reader.close()


def show(measured: Measured, point: Point) -> Value:
    """Return a measured value as a reader tells it; a number that the profile has a name for goes by that name."""
    if measured.value is None:
        return Value(None, measured.unit, Status.MISSING if measured.at_ns is None else Status.NAN)
    return Value(_content(measured.value, point), measured.unit, Status(measured.status.value))


def _content(value: Shown, point: Point) -> Content:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    if isinstance(value, Decimal):
        named = next((name for name, number in point.names.items() if number == value), None)
        return named or (int(value) if value == value.to_integral_value() else float(value))
    return value
