"""The commands `nebctl sim …`; each imports what it needs when it runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from nebctl_simulators.cli.devices import alicat, balance, board_9c
from nebctl_simulators.cli.modbus import bus, framing_name, modbus
from nebctl_simulators.cli.options import (
    Options,
    bench_options,
    build_time,
    fill_option,
    line_options,
    run,
    split,
    state_option,
)
from nebctl_simulators.cli.plot import plot

if TYPE_CHECKING:
    from nebctl_simulators.jet.device import Device as Jet
    from nebctl_simulators.mesh.device import Device as Mesh


@click.group()
def sim() -> None:
    """Simulated devices: for engineering and tests only, never for a person.

    Example: nebctl sim mesh --tcp 127.0.0.1:0 --fill "3 mL"
    """


@sim.command()
@line_options
@click.option("--preset", default="mesh.solo", show_default=True, help="The plant to simulate.")
@fill_option
@state_option
@bench_options("SIM-0001")
def mesh(**given: object) -> None:
    """Simulate a mesh controller that speaks the reference protocol.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim mesh --tcp 127.0.0.1:0 --fill "3 mL"
    """
    from nebctl_simulators.serve import MemoryFile

    options, own = split(given)
    memory_file = MemoryFile(options.state)

    def build(real_ns: int) -> "tuple[Mesh, Callable[[], None]]":
        device = _build_mesh(options, str(own["preset"]), real_ns)
        return device, lambda: memory_file.keep(device.memory)

    run(options, build)


@sim.command()
@line_options
@click.option("--framing", type=click.Choice(["rtu", "tcp"]), help="Modbus RTU or TCP; as the wire is, if not given.")
@click.option("--preset", default="jet.lc", show_default=True, help="The plant to simulate.")
@fill_option
@bench_options("SIM-0002")
def jet(**given: object) -> None:
    """Simulate a jet nebulizer: gas controller (unit 40) and cut-off relay (unit 41) on Modbus.

    On --tcp it speaks Modbus TCP, or with --framing rtu Modbus RTU as behind a serial device server; on --pty RTU.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim jet --tcp 127.0.0.1:5020 --fill "3 mL"
    """
    options, own = split(given)
    framing = framing_name(options, own["framing"])
    run(options, lambda real_ns: (_build_jet(options, str(own["preset"]), framing, real_ns), None))


def _build_mesh(options: Options, preset: str, real_ns: int) -> "Mesh":
    from nebctl_simulators.mesh.device import Device
    from nebctl_simulators.mesh.memory import Memory, load_memory
    from nebctl_simulators.presets import build_unit

    return Device(
        unit=build_unit(preset, options.seed),
        serial=options.serial,
        sim_time=build_time(options, real_ns),
        memory=load_memory(options.state) if options.state is not None else Memory(),
        real_ns=real_ns,
    )


def _build_jet(options: Options, preset: str, framing: str, real_ns: int) -> "Jet":
    from nebctl_simulators.jet.device import Device
    from nebctl_simulators.jet.presets import build_unit
    from nebctl_simulators.modbus.framing import build_framing
    from nebctl_simulators.modbus.line import ModbusLine

    return Device(
        unit=build_unit(preset, options.seed),
        serial=options.serial,
        sim_time=build_time(options, real_ns),
        real_ns=real_ns,
        line=ModbusLine(build_framing(framing), options.seed),
    )


for command in (modbus, bus, board_9c, alicat, balance, plot):
    sim.add_command(command)
