"""The commands `nebctl sim modbus` and `nebctl sim bus`: units on a Modbus line."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl_simulators.cli.options import (
    Options,
    Volume,
    bench_options,
    build_time,
    fill_option,
    line_options,
    run,
    run_line,
    split,
    state_option,
)

if TYPE_CHECKING:
    from nebctl_simulators.control import Device
    from nebctl_simulators.modbus.line import ModbusLine
    from nebctl_simulators.modbus.nebulizer import Nebulizer
    from nebctl_simulators.simtime import SimTime

STATION_FORMS = "modbus:PROFILE.toml:unit=1, gas:unit=40 or relay:unit=41"
JET_PRESET, MESH_PRESET = "jet.lc", "mesh.solo"
MAX_UNIT = 247

_STATION = re.compile(r"(modbus):(.+?)(?::([a-z]+=[^:]*))?|(gas|relay)(?::([a-z]+=[^:]*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One unit of a bus as it was asked for; `profile` is None for gas controller and relay."""

    kind: str
    unit: int
    profile: Path | None = None
    seed: int | None = None
    fill_nl: int | None = None


class StationText(click.ParamType[Station]):
    """A station such as "relay:unit=41"."""

    name = "station"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Station:
        """Return the station."""
        if isinstance(value, Station):
            return value
        match = _STATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no station; write such as {STATION_FORMS}", param, ctx)
        kind = match[1] or match[4]
        pairs = dict(pair.split("=", 1) for pair in (match[3] or match[5] or "").split(",") if "=" in pair)
        if unknown := sorted(pairs.keys() - {"unit", "seed", "fill"}):
            self.fail(f"{value!r}: {unknown[0]} is not known; write unit, seed or fill", param, ctx)
        return Station(
            kind=kind,
            profile=Path(match[2]) if match[2] else None,
            unit=self._number(value, pairs.get("unit", "41" if kind == "relay" else "40"), MAX_UNIT),
            seed=self._number(value, pairs["seed"], 1_000_000_000) if "seed" in pairs else None,
            fill_nl=Volume().convert(pairs["fill"], param, ctx) if "fill" in pairs else None,
        )

    def _number(self, value: object, text: str, most: int) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            self.fail(f"{value!r}: {text!r} is not a whole number from 1 to {most}")
        return int(text)


def framing_name(options: Options, given: str | None) -> str:
    """Return "rtu" or "tcp": as given, or as it is usual on the wire.

    Raises: click.UsageError for Modbus TCP on a pseudo-terminal.
    """
    if given == "tcp" and options.pty is not None:
        raise click.UsageError("--framing tcp is for --tcp: a serial line carries Modbus RTU")
    return given or ("tcp" if options.tcp is not None else "rtu")


_framing_option = click.option(
    "--framing", type=click.Choice(["rtu", "tcp"]), help="Modbus RTU or TCP; as the wire is, if not given."
)
_turnaround_option = click.option(
    "--turnaround",
    metavar="MS",
    type=click.FloatRange(0, 10_000),
    default=0.0,
    show_default=True,
    help="A unit thinks for so long before it answers.",
)


@click.command()
@line_options
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    required=True,
    help="The device profile (TOML) whose register map it has.",
)
@click.option("--unit", type=click.IntRange(1, MAX_UNIT), default=40, show_default=True, help="Its unit id.")
@_framing_option
@_turnaround_option
@click.option("--preset", default=MESH_PRESET, show_default=True, help="The plant to simulate.")
@fill_option
@state_option
@bench_options("SIM-0004")
def modbus(**given: object) -> None:
    """Simulate a mesh nebulizer with the Modbus register map of a device profile.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim modbus --profile my-nebulizer.toml --pty /tmp/nebulizer --baud 19200 --fill "3 mL"
    """
    from nebctl_simulators.serve import MemoryFile

    options, own = split(given)
    framing = framing_name(options, own["framing"])
    memory_file = MemoryFile(options.state)

    def build(real_ns: int) -> "tuple[Device, Callable[[], None]]":
        line = _build_line(framing, options.seed, own["turnaround"])
        station = Station(kind="modbus", unit=own["unit"], profile=own["profile"])
        device = _build_nebulizer(station, options, own["preset"], line, build_time(options, real_ns), real_ns)
        return device, lambda: memory_file.keep(device.memory)

    run(options, build)


@click.command()
@line_options
@_framing_option
@_turnaround_option
@click.option(
    "--station",
    "stations",
    type=StationText(),
    multiple=True,
    required=True,
    metavar="KIND[:PROFILE][:unit=N,seed=N,fill=VOLUME]",
    help="Put a unit on the line; more than once. KIND is modbus, gas or relay; a gas and a relay make one jet.",
)
@bench_options(None)
def bus(**given: object) -> None:
    """Simulate several Modbus units on one line, such as an RS-485 bus.

    A unit that is not there is silent. With --control each device has its own interface below its unit id, such as
    URL/40/state.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim bus --pty /tmp/bus --baud 115200 --station modbus:my-nebulizer.toml:unit=1
    --station gas:unit=40,fill=3mL --station relay:unit=41
    """
    options, own = split(given)
    framing = framing_name(options, own["framing"])
    stations: Sequence[Station] = own["stations"]
    pairs = _pair_up(stations)

    def build(real_ns: int) -> "tuple[ModbusLine, Mapping[str, Device]]":
        line = _build_line(framing, options.seed, own["turnaround"])
        sim_time = build_time(options, real_ns)
        devices: dict[str, Device] = {}
        for station in stations:
            if station.kind == "modbus":
                devices[str(station.unit)] = _build_nebulizer(
                    station, _for_station(options, station), MESH_PRESET, line, sim_time, real_ns
                )
        for gas, relay in pairs:
            devices[str(gas.unit)] = _build_jet(gas, relay, _for_station(options, gas), line, sim_time, real_ns)
        for station in stations:
            if station.fill_nl is not None:
                devices[str(station.unit)].pour(station.fill_nl)
        return line, devices

    run_line(options, build)


def _pair_up(stations: Sequence[Station]) -> list[tuple[Station, Station]]:
    """Return each gas controller with its relay, in the order of both.

    Raises: click.UsageError for units that are there twice, and for a gas controller or relay on its own.
    """
    units = [station.unit for station in stations]
    if twice := sorted({unit for unit in units if units.count(unit) > 1}):
        raise click.UsageError(f"--station: unit {twice[0]} is there twice; give each station its own unit")
    gases, relays = ([station for station in stations if station.kind == kind] for kind in ("gas", "relay"))
    if len(gases) != len(relays):
        raise click.UsageError("--station: a gas controller and a relay make one jet: give one of each")
    if any(relay.fill_nl is not None for relay in relays):
        raise click.UsageError("--station: the cup belongs to the gas controller: write fill there")
    return list(zip(gases, relays, strict=True))


def _for_station(options: Options, station: Station) -> Options:
    seed = options.seed + station.unit if station.seed is None else station.seed
    return replace(options, seed=seed, serial=f"SIM-{1000 + station.unit}")


def _build_line(framing: str, seed: int, turnaround_ms: float) -> "ModbusLine":
    from nebctl_simulators.modbus.framing import build_framing
    from nebctl_simulators.modbus.line import ModbusLine
    from nebctl_simulators.shim import NS_PER_MS

    return ModbusLine(build_framing(framing), seed, round(turnaround_ms * NS_PER_MS))


def _build_nebulizer(
    station: Station, options: Options, preset: str, line: "ModbusLine", sim_time: "SimTime", real_ns: int
) -> "Nebulizer":
    from nebctl_simulators.mesh.memory import load_memory
    from nebctl_simulators.modbus.nebulizer import Nebulizer
    from nebctl_simulators.modbus.profile import read_map
    from nebctl_simulators.presets import build_unit

    return Nebulizer(
        device_map=read_map(station.profile or Path()),
        unit=build_unit(preset, options.seed),
        serial=options.serial,
        sim_time=sim_time,
        real_ns=real_ns,
        memory=load_memory(options.state) if options.state is not None else None,
        line=line,
        unit_id=station.unit,
    )


def _build_jet(
    gas: Station, relay: Station, options: Options, line: "ModbusLine", sim_time: "SimTime", real_ns: int
) -> "Device":
    from nebctl_simulators.jet.device import Device
    from nebctl_simulators.jet.presets import build_unit

    return Device(
        unit=build_unit(JET_PRESET, options.seed),
        serial=options.serial,
        sim_time=sim_time,
        real_ns=real_ns,
        line=line,
        gas_unit=gas.unit,
        relay_unit=relay.unit,
    )
