"""Running devices for a command: their clock, their faults, their files, and the interface beside them."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl_simulators.cli.options import Keep, Options

if TYPE_CHECKING:
    from nebctl_simulators.control import Device
    from nebctl_simulators.injection_log import Injecting
    from nebctl_simulators.serve import OnWire, TruthLog
    from nebctl_simulators.wire import Wire


class BenchClock:
    """The real time that everything on this bench sees: the system's, or one that stands still but for `advance`."""

    def __init__(self, options: Options) -> None:
        from nebctl_simulators.simtime import Lockstep

        self.lockstep = Lockstep() if options.is_lockstep else None

    def now_ns(self) -> int:
        """Return the present real time in ns."""
        import time

        return time.monotonic_ns() if self.lockstep is None else self.lockstep.now_ns()


def refuse_live_store(options: Options) -> None:
    """Refuse to stand beside what a live unit has written.

    Raises: ValueError.
    """
    from nebctl_simulators.live_store import refuse_live_stores

    files = (options.state, options.truth, options.injections, options.pty)
    refuse_live_stores([Path(), *(path.parent for path in files if path is not None)])


def arm_all(options: Options, devices: "Mapping[str, Device]", real_ns: int) -> None:
    """Arm the faults that were asked for.

    Raises: ValueError that names the fault's text.
    """
    from nebctl_simulators.faults import parse_fault

    for text in options.faults:
        asked = parse_fault(text)
        names = ", ".join(devices)
        if len(devices) == 1 and asked.device is None:
            name = next(iter(devices))
        elif asked.device is None:
            raise ValueError(f"the fault {text!r}: device: several are on this line; choose one of: {names}")
        elif asked.device not in devices or asked.device == "":
            raise ValueError(f"the fault {text!r}: device: got {asked.device!r}, choose one of: {names or 'none'}")
        else:
            name = asked.device
        try:
            asked.arm(devices[name], real_ns)
        except ValueError as error:
            raise ValueError(f"the fault {text!r}: {error}") from error


def serve_one(options: Options, device: "Device", keep: Keep | None, wire: "Wire", clock: BenchClock) -> None:
    """Run one device until SIGTERM or SIGINT."""
    with _open_truth(options.truth) as truth_log, open_injections(options.injections, [device]) as note_faults:

        def note() -> None:
            if truth_log is not None:
                truth_log.note(device.truth())
            if note_faults is not None:
                note_faults()

        needed = truth_log is not None or note_faults is not None
        serve_line(options, device, wire, device, clock, keep, note if needed else None)
        if truth_log is not None:
            truth_log.end(device.truth())


def serve_line(
    options: Options,
    line: "OnWire",
    wire: "Wire",
    beside: "Device | Mapping[str, Device]",
    clock: BenchClock,
    keep: Keep | None = None,
    note: Keep | None = None,
) -> None:
    """Run what is on a wire until SIGTERM or SIGINT; `beside` is what the control interface reaches."""
    from nebctl_simulators.serve import Bench, run_precisely, serve

    bench = Bench(line, wire, keep, note, lockstep=clock.lockstep)
    control = None
    if options.control is not None:
        from nebctl_simulators.control import HttpControl, bus_app, control_app

        if isinstance(beside, Mapping):
            app = bus_app(beside, lockstep=clock.lockstep)
        else:
            app = control_app(beside, lockstep=clock.lockstep)
        control = HttpControl(app, options.control)
    run_precisely(serve(bench, wire, control, click.echo, clock.lockstep))


def injection_sources(line: "OnWire", devices: "Mapping[str, Device]") -> "list[Injecting]":
    """Return who tells of faults: a line that its devices share tells for them."""
    from nebctl_simulators.modbus.line import ModbusLine

    return [line] if isinstance(line, ModbusLine) else list(devices.values())


@contextmanager
def open_injections(path: Path | None, sources: "Sequence[Injecting]") -> "Generator[Keep | None]":
    """Open the file of faults and yield what writes to it; None without a file."""
    from nebctl_simulators.injection_log import InjectionLog

    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as stream:
        yield InjectionLog(stream, sources).note


@contextmanager
def _open_truth(path: Path | None) -> "Generator[TruthLog | None]":
    from nebctl_simulators.serve import TruthLog

    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as stream:
        yield TruthLog(stream)
