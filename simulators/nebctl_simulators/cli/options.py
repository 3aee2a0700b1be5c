"""What the commands of simulated devices share: options, and running one device or a line of them until the end."""

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
    from nebctl_simulators.serve import OnWire, TruthLog
    from nebctl_simulators.simtime import SimTime
    from nebctl_simulators.wire import Wire

NL_PER_UNIT = {"mL": 1_000_000, "uL": 1_000, "µL": 1_000, "nL": 1}
NS_PER_MS = 1_000_000
EARLY_NS = 250_000
"""How late a loop with `select` wakes at most as a rule; measured: 0.12 to 0.22 ms on a small virtual machine."""

_VOLUME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(mL|uL|µL|nL)")
_SERIAL = re.compile(r"SIM-[A-Za-z0-9.-]{1,16}")

C = TypeVar("C", bound=Callable[..., Any])
Keep = Callable[[], None]


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
        click.option("--clock", type=click.Path(path_type=Path), help="Take plant time from this shared clock file."),
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
    import time

    check_options(options)
    with one_line():
        device, keep = build(time.monotonic_ns())
        if options.fill_nl is not None:
            device.pour(options.fill_nl)
        wire = build_wire(options)
        unit = device.unit
        banner(f"{unit.preset}, seed {unit.seed}, serial {device.serial}")
        _serve_one(options, device, keep, wire)


def run_line(options: Options, build: "Callable[[int], tuple[OnWire, Mapping[str, Device]]]") -> None:
    """Run several devices on one line until SIGTERM or SIGINT; `build` gives the line and the devices by their names.

    Raises: click.UsageError, or click.ClickException with one line, for whatever the options make impossible.
    """
    import time

    check_options(options)
    with one_line():
        line, devices = build(time.monotonic_ns())
        wire = build_wire(options)
        banner("; ".join(f"{name}: {device.unit.preset}, serial {device.serial}" for name, device in devices.items()))
        _serve(options, line, wire, devices)


def check_options(options: Options) -> None:
    """Refuse options that exclude each other.

    Raises: click.UsageError.
    """
    if (options.pty is None) == (options.tcp is None):
        raise click.UsageError("give one of --pty PATH and --tcp HOST:PORT")
    if options.speed is not None and options.clock is not None:
        raise click.UsageError("--speed and --clock exclude each other: a clock file has its own speed")
    check_serial(options.serial)


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


def banner(what: str) -> None:
    """Say on stderr that this is a simulator."""
    click.echo(f"SIMULATOR: {what}; no aerosol, not a device", err=True)


def build_time(options: Options, real_ns: int) -> "SimTime":
    """Return where plant time comes from.

    Raises: ValueError for a clock file that cannot be read.
    """
    from nebctl_simulators.simtime import ClockFile, ScaledTime

    if options.clock is not None:
        return ClockFile(options.clock)
    return ScaledTime(real_ns, round((options.speed or 1) * 1000))


def build_wire(options: Options) -> "Wire":
    """Return the wire, paced where the options say so.

    Raises: ValueError for an address or path that cannot be.
    """
    wire = _bare_wire(options)
    if options.baud is None and not options.latency:
        return wire
    from nebctl_simulators.line.pace import Pace, PacedWire

    return PacedWire(wire, Pace(baud=options.baud, latency_ns=round(options.latency * NS_PER_MS), early_ns=EARLY_NS))


def _bare_wire(options: Options) -> "Wire":
    from nebctl_simulators.wire import PtyWire, TcpWire

    if options.pty is not None:
        return PtyWire(options.pty)
    host, _, port = (options.tcp or "").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"--tcp: got {options.tcp!r}, write such as 127.0.0.1:4001")
    return TcpWire(host, int(port))


def _serve_one(options: Options, device: "Device", keep: Keep | None, wire: "Wire") -> None:
    with _open_truth(options.truth) as truth_log:
        note = None if truth_log is None else lambda: truth_log.note(device.truth())
        _serve(options, device, wire, device, keep, note)


def _serve(
    options: Options,
    line: "OnWire",
    wire: "Wire",
    beside: "Device | Mapping[str, Device]",
    keep: Keep | None = None,
    note: Keep | None = None,
) -> None:
    from nebctl_simulators.serve import Bench, run_precisely, serve

    bench = Bench(line, wire, keep, note)
    control = None
    if options.control is not None:
        from nebctl_simulators.control import HttpControl, bus_app, control_app

        app = bus_app(beside) if isinstance(beside, Mapping) else control_app(beside)
        control = HttpControl(app, options.control)
    run_precisely(serve(bench, wire, control, click.echo))


@contextmanager
def _open_truth(path: Path | None) -> "Generator[TruthLog | None]":
    from nebctl_simulators.serve import TruthLog

    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as stream:
        yield TruthLog(stream)
