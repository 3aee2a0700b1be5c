"""A jet nebulizer put together from its parts."""

from collections.abc import Callable, Mapping

from nebctl.core.device import CommandFailed
from nebctl_drivers.address import Address, Framing, LineSettings, read_address
from nebctl_drivers.alicat_ascii.profile import PROFILE as ALICAT_PROFILE
from nebctl_drivers.alicat_ascii.profile import read_alicat_profile
from nebctl_drivers.alicat_ascii.source import AlicatSource
from nebctl_drivers.balance.device import BalanceBus
from nebctl_drivers.balance.profile import PROFILE as BALANCE_PROFILE
from nebctl_drivers.balance.profile import read_balance_profile
from nebctl_drivers.bus import Bus
from nebctl_drivers.buses import Buses
from nebctl_drivers.gas_controller.modbus_source import ModbusGasSource
from nebctl_drivers.gas_controller.registers import GasMap
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.profile_text import installed_line
from nebctl_drivers.watchdog_relay.gpio_cutoff import GPIO_RELAY
from nebctl_drivers.watchdog_relay.opening import ANSWER_S, modbus_relay, open_cutoff

from .device import Jet
from .parts import GasSource
from .profile import JetProfile, Part, read_jet_profile


def modbus_jet(
    bus: Bus[Request, Outcome], *, port: str, now_ns: Callable[[], int], profile: JetProfile | None = None
) -> Jet:
    """Return a jet whose gas controller and relay are two units of one Modbus bus."""
    chosen = profile if profile is not None else read_jet_profile()
    gas, relay = _modbus_gas(bus, chosen.gas.unit or 0), modbus_relay(bus, chosen.cutoff.unit or 0)
    return Jet(gas, relay, port=port, now_ns=now_ns, profile=chosen)


def assemble_jet(buses: Buses, profile: JetProfile, *, port: str, now_ns: Callable[[], int]) -> Jet | CommandFailed:
    """Return the jet that a profile describes; a part that names no port of its own is on `port`."""
    gas = open_gas(buses, profile.gas, port)
    if isinstance(gas, CommandFailed):
        return gas
    relay = open_cutoff(buses, profile.cutoff.driver, profile.cutoff.url or port, profile.cutoff.unit)
    if isinstance(relay, CommandFailed):
        return relay
    protocol = " and ".join(dict.fromkeys(_spoken(part, port) for part in (profile.gas, profile.cutoff)))
    return Jet(gas, relay, port=port, now_ns=now_ns, profile=profile, protocol=protocol)


def open_gas(buses: Buses, part: Part, port: str) -> GasSource | CommandFailed:
    """Return the gas source of a profile on its bus; nothing is sent."""
    return _GAS_SOURCES[part.driver](buses, part, port)


def _open_modbus_gas(buses: Buses, part: Part, port: str) -> GasSource | CommandFailed:
    bus = _modbus(buses, part, port, "alicat-mc-modbus")
    return bus if isinstance(bus, CommandFailed) else _modbus_gas(bus, part.unit or 0)


def _open_ascii_gas(buses: Buses, part: Part, port: str) -> GasSource | CommandFailed:
    address = _place(part, port)
    if isinstance(address, CommandFailed):
        return address
    profile = read_alicat_profile()
    bus = buses.alicat(address, defaults=installed_line(ALICAT_PROFILE), profile=profile)
    if isinstance(bus, CommandFailed):
        return bus
    return AlicatSource(bus, part.id or "A", serial=part.serial, profile=profile)


_GAS_SOURCES: Mapping[str, Callable[[Buses, Part, str], GasSource | CommandFailed]] = {
    "alicat-modbus": _open_modbus_gas,
    "alicat-ascii": _open_ascii_gas,
}


_OWN_WORDS = {"alicat-ascii": "alicat-ascii", GPIO_RELAY: "gpio"}
"""What is spoken to a part that is not on Modbus."""


def _modbus(buses: Buses, part: Part, port: str, profile: str) -> Bus[Request, Outcome] | CommandFailed:
    address = _place(part, port)
    if isinstance(address, CommandFailed):
        return address
    line: LineSettings = installed_line(profile)
    return buses.modbus(address, defaults=line, answer_s=ANSWER_S)


def _place(part: Part, port: str) -> Address | CommandFailed:
    return read_address(part.url or port)


def _spoken(part: Part, port: str) -> str:
    """Return what is spoken to a part, in the records' words."""
    if part.driver in _OWN_WORDS:
        return _OWN_WORDS[part.driver]
    address = _place(part, port)
    return "modbus-tcp" if isinstance(address, Address) and address.framing is Framing.TCP else "modbus-rtu"


def _modbus_gas(bus: Bus[Request, Outcome], unit: int) -> ModbusGasSource:
    registers = GasMap(unit)
    return ModbusGasSource(bus.seat(probe=registers.read_process), registers)


def open_balance(buses: Buses, part: Part) -> BalanceBus | CommandFailed:
    """Return the bus of a profile's balance, which has a port of its own; nothing is sent."""
    address = read_address(part.url or "")
    if isinstance(address, CommandFailed):
        return address
    return buses.balance(address, defaults=installed_line(BALANCE_PROFILE), profile=read_balance_profile())
