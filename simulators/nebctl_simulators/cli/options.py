"""What the commands of simulated devices share: options, and running one device or a line of them until the end."""

import os
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nebctl_simulators.control import Device
    from nebctl_simulators.serve import OnWire
    from nebctl_simulators.simtime import Lockstep, SimTime
    from nebctl_simulators.wire import Wire

NL_PER_UNIT = {"mL": 1_000_000, "uL": 1_000, "µL": 1_000, "nL": 1}
NS_PER_MS = 1_000_000
USUAL_BAUD = 115_200
EARLY_NS = 250_000
"""How late a loop with `select` wakes at most as a rule; measured: 0.12 to 0.22 ms on a small virtual machine."""

_VOLUME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(mL|uL|µL|nL)")
_SERIAL = re.compile(r"SIM-[A-Za-z0-9.-]{1,16}")

C = TypeVar("C", bound=Callable[..., Any])
Keep = Callable[[], None]
LOCKSTEP = "lockstep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a command of a simulated device was asked for; an option that it does not have is None, or its default."""

    pty: Path | None = None
    tcp: str | None = None
    baud: int | None = None
    latency: float = 0.0
    seed: int = 1
    speed: float | None = None
    clock: Path | None = None
    fill_nl: int | None = None
    control: int | None = None
    serial: str = "SIM-0000"
    truth: Path | None = None
    state: Path | None = None
    faults: tuple[str, ...] = ()
    injections: Path | None = None
    real_port: Path | None = None
    i_am_a_bench: bool = False

    @property
    def is_lockstep(self) -> bool:
        """Whether time moves only when the control interface says so."""
        return self.clock is not None and str(self.clock) == LOCKSTEP


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


def _stacked(*decorators: Callable[[C], C]) -> Callable[[C], C]:
    def decorate(command: C) -> C:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def line_options(command: C) -> C:
    """Add the options of the wire: where it ends, and how fast it is."""
    return _stacked(
        click.option(
            "--pty",
            type=click.Path(path_type=Path),
            help="Stand behind a pseudo-terminal and link it to this path.",
        ),
        click.option("--tcp", metavar="HOST:PORT", help="Listen on this loopback address; port 0 takes a free one."),
        click.option(
            "--baud",
            type=click.IntRange(300, 4_000_000),
            help="Give each byte, of ten bits, its time at this baud rate; without it bytes take none.",
        ),
        click.option(
            "--latency",
            metavar="MS",
            type=click.FloatRange(0, 255),
            default=0.0,
            show_default=True,
            help="Gather bytes for this long before they are handed on, each way, as USB adapters do (often 16).",
        ),
        click.option(
            "--real-port",
            type=click.Path(path_type=Path),
            help="Stand on this real serial port, for hardware in the loop; needs --i-am-a-bench.",
        ),
        click.option("--i-am-a-bench", is_flag=True, help="No patient is anywhere near: a real port may be opened."),
    )(command)


def bench_options(serial: str | None) -> Callable[[C], C]:
    """Add the options of the bench beside the device; `serial` is the serial number where none is given.

    With None, for several devices, there is neither serial number nor truth to ask for.
    """
    shared = _stacked(
        click.option(
            "--seed", type=int, default=1, show_default=True, help="The same seed gives the same unit and fillings."
        ),
        click.option(
            "--speed", type=click.FloatRange(0.001, 100_000), help="Plant time runs this many times real time."
        ),
        click.option(
            "--clock",
            type=click.Path(path_type=Path),
            metavar="FILE|lockstep",
            help="Take plant time from this shared clock file; with the word lockstep all time stands still but for "
            "`advance` on the control interface.",
        ),
        click.option(
            "--fault",
            "faults",
            multiple=True,
            metavar="NAME[:KEY=VALUE,…]",
            help='Arm a fault, such as "late:ms=350,count=3,from=10s"; more than once.',
        ),
        click.option(
            "--injections",
            type=click.Path(path_type=Path),
            help="Write each fault as it happens to this JSON lines file.",
        ),
        click.option(
            "--control", type=click.IntRange(0, 65_535), help="Serve the HTTP control interface on this loopback port."
        ),
    )
    if serial is None:
        return shared
    return _stacked(
        shared,
        click.option("--serial", default=serial, show_default=True, help="Serial number; it begins with SIM-."),
        click.option("--truth", type=click.Path(path_type=Path), help="Write the ground truth to this CSV file."),
    )


def fill_option(command: C) -> C:
    """Add the option that pours into the cup at the start."""
    return click.option(
        "--fill", "fill_nl", type=Volume(), help='Pour this into the cup at the start, such as "3 mL".'
    )(command)


def state_option(command: C) -> C:
    """Add the option that keeps the device's memory in a file."""
    return click.option(
        "--state", type=click.Path(path_type=Path), help="Keep boot counter and last run in this file."
    )(command)


def split(given: Mapping[str, object]) -> tuple[Options, dict[str, Any]]:
    """Return the options that devices share, and the command's own."""
    names = {field.name for field in fields(Options)}
    shared = {name: value for name, value in given.items() if name in names}
    own = {name: value for name, value in given.items() if name not in names}
    return Options(**shared), own  # type: ignore[arg-type]  # click made them what Options says


def run(options: Options, build: Callable[[int], "tuple[Device, Keep | None]"]) -> None:
    """Run one device until SIGTERM or SIGINT; `build` gets the real time in ns and gives it with what keeps its memory.

    Raises: click.UsageError, or click.ClickException with one line, for whatever the options make impossible.
    """
    from nebctl_simulators.cli.serving import BenchClock, arm_all, refuse_live_store, serve_one

    check_options(options)
    with one_line():
        refuse_live_store(options)
        clock = BenchClock(options)
        with right_call():
            device, keep = build(clock.now_ns())
            arm_all(options, {"": device}, clock.now_ns())
            if options.fill_nl is not None:
                device.pour(options.fill_nl)
            wire = build_wire(options, clock.lockstep)
        unit = device.unit
        banner(f"{unit.preset}, seed {unit.seed}, serial {device.serial}")
        serve_one(options, device, keep, wire, clock)


def run_line(options: Options, build: "Callable[[int], tuple[OnWire, Mapping[str, Device]]]") -> None:
    """Run several devices on one line until SIGTERM or SIGINT; `build` gives the line and the devices by their names.

    Raises: click.UsageError, or click.ClickException with one line, for whatever the options make impossible.
    """
    from nebctl_simulators.cli.serving import (
        BenchClock,
        arm_all,
        injection_sources,
        open_injections,
        refuse_live_store,
        serve_line,
    )

    check_options(options)
    with one_line():
        refuse_live_store(options)
        clock = BenchClock(options)
        with right_call():
            line, devices = build(clock.now_ns())
            arm_all(options, devices, clock.now_ns())
            wire = build_wire(options, clock.lockstep)
        banner("; ".join(f"{name}: {device.unit.preset}, serial {device.serial}" for name, device in devices.items()))
        with open_injections(options.injections, injection_sources(line, devices)) as note:
            serve_line(options, line, wire, devices, clock, note=note)


def check_options(options: Options) -> None:
    """Refuse options that exclude each other, and files that cannot be written.

    Raises: click.UsageError.
    """
    if (options.real_port is None) == (not options.i_am_a_bench):
        if [options.pty, options.tcp, options.real_port].count(None) != 2:
            raise click.UsageError("give one of --pty PATH and --tcp HOST:PORT")
    elif options.real_port is None:
        raise click.UsageError("--i-am-a-bench is for --real-port PATH alone")
    else:
        raise click.UsageError(
            "--real-port: a simulator opens a real serial port on a bench alone; add --i-am-a-bench where no patient is"
        )
    if options.speed is not None and options.clock is not None and not options.is_lockstep:
        raise click.UsageError("--speed and --clock exclude each other: a clock file has its own speed")
    if options.is_lockstep and options.control is None:
        raise click.UsageError("--clock lockstep needs --control PORT: time moves only by its advance")
    if options.is_lockstep and options.real_port is not None:
        raise click.UsageError("--clock lockstep cannot hold up the time of a real port: leave one of them out")
    check_serial(options.serial)
    files = {"--state": options.state, "--truth": options.truth, "--injections": options.injections}
    for option, path in files.items():
        if path is not None:
            check_writable(option, path)


def check_writable(option: str, path: Path) -> None:
    """Refuse the path of an option where no file can be written; nothing is opened or made.

    Raises: click.UsageError that names the option, the path and what to do.
    """
    if not path.parent.is_dir():
        raise click.UsageError(f"{option}: {path}: there is no folder {path.parent}; make it, or choose another path")
    if path.is_dir():
        raise click.UsageError(f"{option}: {path}: this is a folder; add the name of a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.UsageError(f"{option}: {path}: it may not be written; change its permissions, or the path")


def check_serial(serial: str) -> None:
    """Refuse a serial number that does not say simulator.

    Raises: click.UsageError.
    """
    if not _SERIAL.fullmatch(serial):
        raise click.UsageError(
            f"--serial: got {serial!r}; a simulated device has a serial such as SIM-0001 (at most 20 long)"
        )


@contextmanager
def one_line() -> Generator[None, None, None]:
    """Turn what a device, a file or a port cannot do into one line for a person."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def right_call() -> Generator[None, None, None]:
    """Turn what an option's value cannot be into a wrong call, with its exit code 2."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def banner(what: str) -> None:
    """Say on stderr that this is a simulator."""
    click.echo(f"SIMULATOR: {what}; no aerosol, not a device", err=True)


def build_time(options: Options, real_ns: int) -> "SimTime":
    """Return where plant time comes from.

    Raises: ValueError for a clock file that cannot be read.
    """
    from nebctl_simulators.simtime import ClockFile, ScaledTime

    if options.clock is not None and not options.is_lockstep:
        return ClockFile(options.clock)
    return ScaledTime(real_ns, round((options.speed or 1) * 1000))


def build_wire(options: Options, lockstep: "Lockstep | None" = None) -> "Wire":
    """Return the wire, paced where the options say so, and in lockstep by that clock.

    Raises: ValueError for an address or path that cannot be.
    """
    wire = _bare_wire(options)
    if options.real_port is not None or (options.baud is None and not options.latency):
        return wire
    from nebctl_simulators.line.pace import Pace, PacedWire

    early_ns = EARLY_NS if lockstep is None else 0
    pace = Pace(baud=options.baud, latency_ns=round(options.latency * NS_PER_MS), early_ns=early_ns)
    return PacedWire(wire, pace, lockstep)


def _bare_wire(options: Options) -> "Wire":
    from nebctl_simulators.wire import PtyWire, TcpWire

    if options.real_port is not None:
        from nebctl_simulators.real_port import SerialWire

        return SerialWire(options.real_port, options.baud or USUAL_BAUD)
    if options.pty is not None:
        return PtyWire(options.pty)
    host, _, port = (options.tcp or "").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"--tcp: got {options.tcp!r}, write such as 127.0.0.1:4001")
    return TcpWire(host, int(port))
