"""A Modbus nebulizer, or the reader of any Modbus profile, put on a bus with a probe that it surely answers."""

from collections.abc import Callable

from nebctl_drivers.bus import Bus
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.profiles.profile import Profile

from .device import ModbusNebulizer
from .reader import ProfileReader
from .station import Station


def modbus_nebulizer(
    bus: Bus[Request, Outcome], profile: Profile, *, unit: int, port: str, now_ns: Callable[[], int]
) -> ModbusNebulizer:
    """Return the nebulizer at a unit id; ask `profiles.refuse_live` first whether the profile may drive it."""
    return ModbusNebulizer(bus.seat(probe=_probe(profile, unit)), profile, unit=unit, port=port, now_ns=now_ns)


def profile_reader(
    bus: Bus[Request, Outcome], profile: Profile, *, unit: int, port: str, now_ns: Callable[[], int]
) -> ProfileReader:
    """Return a reader of the unit's values; it never writes, so any profile will do."""
    return ProfileReader(bus.seat(probe=_probe(profile, unit)), profile, unit=unit, port=port, now_ns=now_ns)


def _probe(profile: Profile, unit: int) -> Request | None:
    """Return a read that the station surely answers: its largest block, which gives the most probes."""
    largest = max(profile.blocks.values(), key=lambda block: block.count, default=None)
    return None if largest is None else Station(profile, unit).read(largest)
