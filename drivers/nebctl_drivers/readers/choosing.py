"""From a profile's name and a URL to a reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from nebctl.core.device import CommandFailed
from nebctl.core.faults import Fault
from nebctl.core.toml_text import TomlText, read_toml
from nebctl_drivers.address import Address, LineSettings, read_address
from nebctl_drivers.alicat_ascii.profile import read_alicat_profile
from nebctl_drivers.alicat_ascii.source import AlicatSource
from nebctl_drivers.balance.profile import read_balance_profile
from nebctl_drivers.board_9c.profile import read_board_profile
from nebctl_drivers.buses import Buses, Language
from nebctl_drivers.jet.assembly import open_balance, open_gas
from nebctl_drivers.jet.profile import load_jet_profile
from nebctl_drivers.profile_text import ProfileText, read_profile_text
from nebctl_drivers.profiles import load_profile
from nebctl_drivers.registry import need_unit
from nebctl_drivers.watchdog_relay.opening import open_cutoff

from .balance import BalanceReader
from .board_9c import Board9CReader
from .mesh import MeshReader
from .modbus import ModbusReader
from .parts import CutOffReader, GasReader, TogetherReader
from .reader import Reader

ALIASES: Mapping[str, str] = {"alicat-modbus": "alicat-mc-modbus", "jet": "jet-modbus"}
"""Drivers whose profile has another name."""
FIRST_LETTER = "A"
"""The id that an Alicat controller has when it is new. Source: Alicat Serial Primer rev. 2."""

Found: TypeAlias = Reader | CommandFailed | tuple[Fault, ...]
"""A reader; or what is wrong with the URL, or everything that is wrong with the profile."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A profile and where its device is."""

    profile: ProfileText
    table: Mapping[str, Any]
    address: Address
    buses: Buses
    now_ns: Callable[[], int]

    @property
    def line(self) -> LineSettings:
        """Return the settings of the serial line that the profile names."""
        serial = self.table["serial"]
        stop_bits = serial.get("stop_bits", serial.get("stopbits", 1))
        return LineSettings(baudrate=serial["baudrate"], parity=serial["parity"], stop_bits=stop_bits)


def make_reader(buses: Buses, profile: str, url: str, *, now_ns: Callable[[], int]) -> Found:
    """Return the reader of the device at `url`; `profile` is the name or file of a profile, or the name of a driver."""
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return address
    found = read_profile_text(ALIASES.get(profile, profile))
    if isinstance(found, tuple):
        return found
    toml = read_toml(found.text, found.file)
    if toml.table is None:
        return toml.faults
    make = _MAKERS.get(_protocol(toml.table))
    if make is None:
        return _fault(toml, _protocol(toml.table))
    try:
        return make(_Place(found, toml.table, address, buses, now_ns))
    except (KeyError, TypeError, ValueError, AttributeError) as odd:  # a file of a family that has no schema of its own
        return (_missing(toml, odd),)


def _protocol(table: Mapping[str, Any]) -> str:
    header = table.get("profile")
    if not isinstance(header, dict):
        return ""
    return "mesh-reference" if header.get("id") == "mesh-reference" else str(header.get("protocol", ""))


def _make_modbus(place: _Place) -> Found:
    profile = load_profile(place.profile.text, place.profile.file)
    if isinstance(profile, tuple):
        return profile
    unit = need_unit(place.address)
    if isinstance(unit, CommandFailed):
        return unit
    bus = place.buses.for_profile(place.address, profile)
    if isinstance(bus, CommandFailed):
        return bus
    return ModbusReader(bus, profile, unit=unit, port=place.address.url, now_ns=place.now_ns)


def _make_mesh(place: _Place) -> Found:
    link = place.buses.link(place.address, Language.MESH, defaults=place.line)
    if isinstance(link, CommandFailed):
        return link
    return MeshReader(link, port=place.address.url, now_ns=place.now_ns)


def _make_board(place: _Place) -> Found:
    profile = read_board_profile()
    bus = place.buses.board_9c(place.address, defaults=place.line, timing=profile.timing)
    return bus if isinstance(bus, CommandFailed) else Board9CReader(bus, profile)


def _make_alicat(place: _Place) -> Found:
    profile = read_alicat_profile(dict(place.table))
    bus = place.buses.alicat(place.address, defaults=place.line, profile=profile)
    if isinstance(bus, CommandFailed):
        return bus
    return GasReader(AlicatSource(bus, place.address.id or FIRST_LETTER, profile=profile))


def _make_balance(place: _Place) -> Found:
    profile = read_balance_profile(dict(place.table))
    bus = place.buses.balance(place.address, defaults=place.line, profile=profile)
    return bus if isinstance(bus, CommandFailed) else BalanceReader(bus)


def _make_jet(place: _Place) -> Found:
    profile = load_jet_profile(place.profile.text, place.profile.file)
    if isinstance(profile, tuple):
        return profile
    gas = open_gas(place.buses, profile.gas, place.address.url)
    if isinstance(gas, CommandFailed):
        return gas
    parts: dict[str, Reader] = {"gas": GasReader(gas)}
    if profile.cutoff.driver != "gpio-relay":  # to take its lines would open the contact
        cutoff = profile.cutoff
        relay = open_cutoff(place.buses, cutoff.driver, cutoff.url or place.address.url, cutoff.unit)
        if isinstance(relay, CommandFailed):
            return relay
        parts["cutoff"] = CutOffReader(relay)
    if profile.balance is not None:
        bus = open_balance(place.buses, profile.balance)
        if isinstance(bus, CommandFailed):
            return bus
        parts["balance"] = BalanceReader(bus, serial=profile.balance.serial)
    return TogetherReader(parts)


_MAKERS: Mapping[str, Callable[[_Place], Found]] = {
    "modbus": _make_modbus,
    "jet": _make_jet,
    "alicat-ascii": _make_alicat,
    "mt-sics": _make_balance,
    "9c-host": _make_board,
    "mesh-reference": _make_mesh,
}


def _fault(toml: TomlText, protocol: str) -> tuple[Fault, ...]:
    path = ("profile", "protocol")
    known = ", ".join(f'"{name}"' for name in _MAKERS if name != "mesh-reference")
    return (
        Fault(
            file=toml.file,
            line=toml.line_of(path),
            field="profile.protocol",
            value=f'"{protocol}"' if protocol else None,
            problem="no reader for this protocol" if protocol else "this is missing",
            right=f"write one of {known}",
        ),
    )


def _missing(toml: TomlText, odd: Exception) -> Fault:
    said = f"the key {odd} is missing" if isinstance(odd, KeyError) else str(odd)
    right = "copy the profile that comes with nebctl, and change its values alone"
    return Fault(file=toml.file, line=1, field="TOML", value=None, problem=said, right=right)
