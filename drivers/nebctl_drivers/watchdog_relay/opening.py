"""The cut-off that a configuration or a profile names, on its bus or on its lines."""

from collections.abc import Callable, Mapping

from nebctl.core.device import CommandFailed
from nebctl_drivers.address import read_address
from nebctl_drivers.bus import Bus
from nebctl_drivers.buses import Buses
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.profile_text import installed_line

from .cutoff import CutOff
from .gpio_cutoff import GPIO_RELAY, GpioCutOff
from .gpio_lines import read_gpio_url
from .modbus_relay import WATCHDOG_RELAY, ModbusRelay
from .registers import RelayMap

ANSWER_S = 0.2
"""How long a relay or gas controller on Modbus may take to answer; also the profiles' own figure."""
_Opens = Callable[[Buses, str, int | None], CutOff | CommandFailed]


def open_cutoff(buses: Buses, driver: str, url: str, unit: int | None) -> CutOff | CommandFailed:
    """Return the cut-off of a driver at a URL; nothing is sent and no line is taken.

    `unit` is its Modbus unit, None for lines of this computer.
    """
    return _OPENS[driver](buses, url, unit)


def modbus_relay(bus: Bus[Request, Outcome], unit: int) -> ModbusRelay:
    """Return the relay that is a unit of a Modbus bus."""
    registers = RelayMap(unit)
    return ModbusRelay(bus.seat(probe=registers.read_all), registers)


def _open_modbus(buses: Buses, url: str, unit: int | None) -> CutOff | CommandFailed:
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return address
    bus = buses.modbus(address, defaults=installed_line(WATCHDOG_RELAY), answer_s=ANSWER_S)
    return bus if isinstance(bus, CommandFailed) else modbus_relay(bus, unit or 0)


def _open_lines(buses: Buses, url: str, _unit: int | None) -> CutOff | CommandFailed:
    place = read_gpio_url(url)
    return place if isinstance(place, CommandFailed) else GpioCutOff(place, now_ns=buses.now_ns)


_OPENS: Mapping[str, _Opens] = {WATCHDOG_RELAY: _open_modbus, GPIO_RELAY: _open_lines}
