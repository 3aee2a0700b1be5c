"""The commands `nebctl sim board-9c`, `alicat` and `balance`: devices of other makers, each on a line of its own."""

from typing import TYPE_CHECKING

import click

from nebctl_simulators.cli.options import bench_options, build_time, fill_option, line_options, run, run_line, split

if TYPE_CHECKING:
    from nebctl_simulators.alicat.device import Device as Alicat
    from nebctl_simulators.balance.device import Device as Balance
    from nebctl_simulators.board_9c.device import Device as Board
    from nebctl_simulators.line.bus import Bus

UG_PER_MG = 1000


@click.command("board-9c")
@line_options
@click.option("--preset", default="mesh.solo", show_default=True, help="The mesh behind the board.")
@fill_option
@click.option(
    "--interlock",
    type=click.Choice(["fault", "pause"]),
    default="fault",
    show_default=True,
    help="A lost host, an open cover and a dry mist board latch a fault, as the protocol page lists them, or pause the "
    "run, as the public source does; there the last two resume it by themselves.",
)
@click.option(
    "--config-bytes", type=click.Choice(["7", "8"]), default="8", show_default=True, help="Of a CONFIG frame."
)
@click.option(
    "--status-bytes", type=click.Choice(["20", "21"]), default="21", show_default=True, help="Of a STATUS frame."
)
@bench_options("SIM-0003")
def board_9c(**given: object) -> None:
    """Simulate a 9C main board: a mesh nebulizer's controller with binary frames.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim board-9c --tcp 127.0.0.1:0 --fill "3 mL"
    """
    from nebctl_simulators.board_9c.device import Device
    from nebctl_simulators.board_9c.settings import Firmware
    from nebctl_simulators.presets import build_unit

    options, own = split(given)
    firmware = Firmware(
        pauses=own["interlock"] == "pause",
        config_bytes=int(own["config_bytes"]),
        status_bytes=int(own["status_bytes"]),
    )

    def build(real_ns: int) -> "tuple[Board, None]":
        unit, sim_time = build_unit(own["preset"], options.seed), build_time(options, real_ns)
        return Device(unit=unit, serial=options.serial, sim_time=sim_time, real_ns=real_ns, firmware=firmware), None

    run(options, build)


@click.command()
@line_options
@click.option("--preset", default="jet.lc", show_default=True, help="The jet and the cup behind the controller.")
@fill_option
@click.option(
    "--letter",
    "letters",
    multiple=True,
    default=("A",),
    show_default=True,
    help="The ID on the line, A to Z; given several times, as many controllers share the line.",
)
@click.option(
    "--flow-unit", type=click.Choice(["SLPM", "SCCM"]), default="SLPM", show_default=True, help="What it shows."
)
@click.option("--full-scale", type=click.FloatRange(0.1, 500), default=20.0, show_default=True, help="In L/min.")
@click.option("--meter", is_flag=True, help="A meter: no valve, and commands for one are ignored without a word.")
@click.option("--totalizer", is_flag=True, help="With the column of a totalizer.")
@click.option("--firmware", default="10v20.0-R24", show_default=True, help="Commands younger than it are refused.")
@bench_options("SIM-0004")
def alicat(**given: object) -> None:
    """Simulate an Alicat mass flow controller with its ASCII dialect, and a jet nebulizer on its gas.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim alicat --tcp 127.0.0.1:0 --letter B
    """
    from nebctl_simulators.alicat.device import Device
    from nebctl_simulators.alicat.model import Model
    from nebctl_simulators.jet.presets import build_unit
    from nebctl_simulators.line.bus import Bus

    options, own = split(given)
    letters = [letter.upper() for letter in own["letters"]]
    if len(set(letters)) < len(letters):
        raise click.UsageError(f"--letter: {' '.join(letters)}: each ID stands on a line once")
    model = Model(
        full_scale=own["full_scale"],
        flow_unit=own["flow_unit"],
        controller=not own["meter"],
        totalizer=own["totalizer"],
        firmware=own["firmware"],
    )

    def build(real_ns: int, letter: str, serial: str) -> "Alicat":
        return Device(
            unit=build_unit(own["preset"], options.seed),
            serial=serial,
            sim_time=build_time(options, real_ns),
            real_ns=real_ns,
            letter=letter,
            model=model,
        )

    def build_line(real_ns: int) -> "tuple[Bus, dict[str, Alicat]]":
        devices = {letter: build(real_ns, letter, f"{options.serial}-{letter}") for letter in letters}
        for device in devices.values():
            if options.fill_nl is not None:
                device.pour(options.fill_nl)
        return Bus(tuple(devices.values())), devices

    if len(letters) == 1:
        run(options, lambda real_ns: (build(real_ns, letters[0], options.serial), None))
    else:
        run_line(options, build_line)


@click.command()
@line_options
@fill_option
@click.option("--on-pan", "on_pan_mg", type=click.IntRange(0), default=0, help="What stands on the pan, in mg.")
@click.option("--unit", type=click.Choice(["g", "mg"]), default="g", show_default=True, help="What it shows.")
@bench_options("SIM-0005")
def balance(**given: object) -> None:
    """Simulate a balance of 220 g by 0.1 mg that speaks MT-SICS; --fill pours on its pan, and 1 uL weighs 1 mg.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim balance --tcp 127.0.0.1:0 --on-pan 25000
    """
    from nebctl_simulators.balance.device import Device, Unit

    options, own = split(given)

    def build(real_ns: int) -> "tuple[Balance, None]":
        device = Device(
            unit=Unit(seed=options.seed),
            serial=options.serial,
            sim_time=build_time(options, real_ns),
            real_ns=real_ns,
            shown_unit=own["unit"],
        )
        device.put(own["on_pan_mg"] * UG_PER_MG)
        return device, None

    run(options, build)
