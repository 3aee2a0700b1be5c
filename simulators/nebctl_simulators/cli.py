"""The commands `nebctl sim …`; each imports what it needs when it runs."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl_simulators.jet.device import Device as Jet
    from nebctl_simulators.mesh.device import Device as Mesh
    from nebctl_simulators.serve import TruthLog
    from nebctl_simulators.simtime import SimTime
    from nebctl_simulators.wire import Wire

NL_PER_UNIT = {"mL": 1_000_000, "uL": 1_000, "µL": 1_000, "nL": 1}

_VOLUME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(mL|uL|µL|nL)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `nebctl sim mesh` or `nebctl sim jet` was asked for."""

    tcp: str | None
    preset: str
    seed: int
    speed: float | None
    clock: Path | None
    fill_nl: int | None
    control: int | None
    serial: str
    truth: Path | None
    pty: Path | None = None
    state: Path | None = None


class Volume(click.ParamType[int]):
    """A volume such as "3 mL", as whole nanolitres."""

    name = "volume"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the nanolitres."""
        match = _VOLUME.fullmatch(str(value).strip())
        volume_nl = Decimal(match[1]) * NL_PER_UNIT[match[2]] if match else Decimal(0)
        if volume_nl <= 0 or volume_nl != int(volume_nl):
            self.fail(
                f'{value!r} is not a volume above 0 in whole nanolitres; write such as "3 mL" or "250 uL"', param, ctx
            )
        return int(volume_nl)


@click.group()
def sim() -> None:
    """Simulated devices: for engineering and tests only, never for a person.

    Example: nebctl sim mesh --tcp 127.0.0.1:0 --fill "3 mL"
    """


@sim.command()
@click.option("--pty", type=click.Path(path_type=Path), help="Stand behind a pseudo-terminal and link it to this path.")
@click.option("--tcp", metavar="HOST:PORT", help="Listen on this loopback address; port 0 takes a free one.")
@click.option("--preset", default="mesh.solo", show_default=True, help="The plant to simulate.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same unit and fillings.")
@click.option("--speed", type=click.FloatRange(0.001, 100_000), help="Plant time runs this many times real time.")
@click.option("--clock", type=click.Path(path_type=Path), help="Take plant time from this shared clock file.")
@click.option("--fill", "fill_nl", type=Volume(), help='Pour this into the cup at the start, such as "3 mL".')
@click.option("--state", type=click.Path(path_type=Path), help="Keep boot counter and last run in this file.")
@click.option(
    "--control", type=click.IntRange(0, 65_535), help="Serve the HTTP control interface on this loopback port."
)
@click.option("--serial", default="SIM-0001", show_default=True, help="Serial number; it begins with SIM-.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write the ground truth to this CSV file.")
def mesh(**options: object) -> None:
    """Simulate a mesh controller that speaks the reference protocol.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim mesh --tcp 127.0.0.1:0 --fill "3 mL"
    """
    chosen = Options(**options)  # type: ignore[arg-type]  # click made them what Options says
    _run(chosen, _run_mesh)


@sim.command()
@click.option("--tcp", metavar="HOST:PORT", help="Listen on this loopback address; port 0 takes a free one.")
@click.option("--preset", default="jet.lc", show_default=True, help="The plant to simulate.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same unit and fillings.")
@click.option("--speed", type=click.FloatRange(0.001, 100_000), help="Plant time runs this many times real time.")
@click.option("--clock", type=click.Path(path_type=Path), help="Take plant time from this shared clock file.")
@click.option("--fill", "fill_nl", type=Volume(), help='Pour this into the cup at the start, such as "3 mL".')
@click.option(
    "--control", type=click.IntRange(0, 65_535), help="Serve the HTTP control interface on this loopback port."
)
@click.option("--serial", default="SIM-0002", show_default=True, help="Serial number; it begins with SIM-.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write the ground truth to this CSV file.")
def jet(**options: object) -> None:
    """Simulate a jet nebulizer: gas controller (unit 40) and cut-off relay (unit 41) on Modbus TCP.

    Prints `ready ADDRESS` (with --control: `ready ADDRESS control URL`) when a host can connect; runs until SIGTERM.

    Example: nebctl sim jet --tcp 127.0.0.1:5020 --fill "3 mL"
    """
    chosen = Options(**options)  # type: ignore[arg-type]  # click made them what Options says
    if chosen.tcp is None:
        raise click.UsageError("give --tcp HOST:PORT, such as --tcp 127.0.0.1:5020")
    _run(chosen, _run_jet)


def _run(options: Options, run: Callable[[Options], None]) -> None:
    _check_options(options)
    try:
        run(options)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _check_options(options: Options) -> None:
    if (options.pty is None) == (options.tcp is None):
        raise click.UsageError("give one of --pty PATH and --tcp HOST:PORT")
    if options.speed is not None and options.clock is not None:
        raise click.UsageError("--speed and --clock exclude each other: a clock file has its own speed")
    if not re.fullmatch(r"SIM-[A-Za-z0-9.-]{1,16}", options.serial):
        raise click.UsageError(
            f"--serial: got {options.serial!r}; a simulated device has a serial such as SIM-0001 (at most 20 long)"
        )


def _run_mesh(options: Options) -> None:
    import time

    from nebctl_simulators.serve import MemoryFile

    device = _build_mesh(options, time.monotonic_ns())
    memory_file = MemoryFile(options.state)
    _run_device(options, device, lambda: memory_file.keep(device.memory))


def _run_jet(options: Options) -> None:
    import time

    # Neither gas controller nor relay remembers anything across a loss of power.
    _run_device(options, _build_jet(options, time.monotonic_ns()), lambda: None)


def _run_device(options: Options, device: "Mesh | Jet", keep: Callable[[], None]) -> None:
    import asyncio

    if options.fill_nl is not None:
        device.pour(options.fill_nl)
    wire = _build_wire(options)
    unit = device.unit
    click.echo(
        f"SIMULATOR: {unit.preset}, seed {unit.seed}, serial {device.serial}; no aerosol, not a device", err=True
    )
    with _open_truth(options.truth) as truth_log:
        asyncio.run(_serve(options, device, keep, wire, truth_log))


async def _serve(
    options: Options, device: "Mesh | Jet", keep: Callable[[], None], wire: "Wire", truth_log: "TruthLog | None"
) -> None:
    from nebctl_simulators.serve import Bench, serve

    bench = Bench(device, wire, keep, truth_log)
    control = None
    if options.control is not None:
        from nebctl_simulators.control import HttpControl

        control = HttpControl(device, options.control)
    await serve(bench, wire, control, click.echo)


def _build_mesh(options: Options, real_ns: int) -> "Mesh":
    from nebctl_simulators.mesh.device import Device
    from nebctl_simulators.mesh.memory import Memory, load_memory
    from nebctl_simulators.presets import build_unit

    return Device(
        unit=build_unit(options.preset, options.seed),
        serial=options.serial,
        sim_time=_build_time(options, real_ns),
        memory=load_memory(options.state) if options.state is not None else Memory(),
        real_ns=real_ns,
    )


def _build_jet(options: Options, real_ns: int) -> "Jet":
    from nebctl_simulators.jet.device import Device
    from nebctl_simulators.jet.presets import build_unit

    return Device(
        unit=build_unit(options.preset, options.seed),
        serial=options.serial,
        sim_time=_build_time(options, real_ns),
        real_ns=real_ns,
    )


def _build_time(options: Options, real_ns: int) -> "SimTime":
    from nebctl_simulators.simtime import ClockFile, ScaledTime

    if options.clock is not None:
        return ClockFile(options.clock)
    return ScaledTime(real_ns, round((options.speed or 1) * 1000))


def _build_wire(options: Options) -> "Wire":
    from nebctl_simulators.wire import PtyWire, TcpWire

    if options.pty is not None:
        return PtyWire(options.pty)
    host, _, port = (options.tcp or "").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"--tcp: got {options.tcp!r}, write such as 127.0.0.1:4001")
    return TcpWire(host, int(port))


@contextmanager
def _open_truth(path: Path | None) -> "Generator[TruthLog | None]":
    from nebctl_simulators.serve import TruthLog

    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as stream:
        yield TruthLog(stream)
