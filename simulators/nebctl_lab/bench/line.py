"""A line of misbehaving or well-behaved slaves in a process of their own: `python -m nebctl_lab.bench.line`."""

import argparse
import asyncio
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

from nebctl_lab.bench.evil import FAULTS, EvilSlave, Plan
from nebctl_simulators.line.pace import Pace, PacedWire
from nebctl_simulators.serve import run_precisely
from nebctl_simulators.wire import PtyWire, Wire

EARLY_NS = 250_000
"""The paced line looks at the clock for so long before each due time: its loop would wake late."""


def parse_arguments() -> argparse.Namespace:
    """Return what the line was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pty", type=Path, required=True, help="the symlink of the line")
    parser.add_argument("--baud", type=int, help="pace the line; without it bytes take no time")
    parser.add_argument("--units", type=int, nargs="+", required=True, help="the units on the line")
    parser.add_argument("--fault", choices=FAULTS, default="none", help="what befalls every second answer")
    parser.add_argument("--late", type=float, default=0.1, help="the least seconds that are too late")
    parser.add_argument("--stops", type=Path, help="write the monotonic ns of each coil write to this file, as int64")
    return parser.parse_args()


def note_stops(path: Path | None) -> Callable[[bytes], object]:
    """Return what writes down when the last byte of a coil write has arrived."""
    if path is None:
        return lambda _: None
    stream = path.open("wb", buffering=0)
    return lambda _: stream.write(struct.pack("<q", time.monotonic_ns()))


async def serve(given: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    wire: Wire = PtyWire(given.pty)
    if given.baud:
        wire = PacedWire(wire, Pace(baud=given.baud, early_ns=EARLY_NS))
    slaves = [EvilSlave(unit, Plan(fault=given.fault, late_s=given.late), wire.write, 1) for unit in given.units]
    noted = note_stops(given.stops)
    for slave in slaves:
        slave.coil_set = noted

    def feed(data: bytes) -> None:
        for slave in slaves:
            slave.feed(data)

    wire.plug(feed)
    print(f"ready {wire.address}", flush=True)  # noqa: T201 - the parent waits for this line
    await ended.wait()
    wire.unplug()


if __name__ == "__main__":
    run_precisely(serve(parse_arguments()))
