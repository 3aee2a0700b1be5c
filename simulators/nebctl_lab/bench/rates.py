"""Reads per second, guarded against bare, and how soon a STOP's last byte has left on a saturated bus."""

import asyncio
import random
import statistics
import struct
import time
from contextlib import AsyncExitStack
from pathlib import Path

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus
from nebctl_drivers.link import SerialLink
from nebctl_drivers.modbus import Outcome, Read, Request, SetCoil, Words
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.modbus_talk import ModbusSeat, read_words
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Reply
from nebctl_lab.bench.baseline import read_bare
from nebctl_lab.processes import Child

BAUD = 115_200
CHAR_BITS = 10
REGISTERS = 10
UNIT = 40
STOP_UNITS = tuple(range(1, 9))
STOP_SHARE = 0.999
REST_S = 0.010


def start_line(folder: Path, name: str, *arguments: str) -> tuple[Child, str]:
    """Start a line process and return it with the path of its port."""
    port = folder / name
    command = ("-m", "nebctl_lab.bench.line", "--pty", str(port), *arguments)
    return Child(name, command, folder / f"{name}.log").start(), str(port)


async def measure_reads(folder: Path, rounds: int, requests: int) -> dict[str, float]:
    """Return the rates of both clients on the same paced slave, in turns, and the median of their ratios."""
    line, port = start_line(folder, "reads", "--units", str(UNIT), "--baud", str(BAUD))
    guarded, bare = [], []
    try:
        gap_s = rtu_timing(baud=BAUD, answer_s=0.5).gap_s
        for _ in range(rounds):
            bare.append(await read_bare(port, BAUD, UNIT, REGISTERS, requests, gap_s))
            guarded.append(await read_guarded(port, requests))
    finally:
        line.stop()
    ratios = [ours / theirs for ours, theirs in zip(guarded, bare, strict=True)]
    return {
        "guarded_per_s": round(statistics.median(guarded), 1),
        "bare_per_s": round(statistics.median(bare), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
    }


async def read_guarded(port: str, requests: int) -> float:
    """Return the reads per second through link, guard and the driver's read, once the port is open and quiet.

    Raises: `RuntimeError` where a read fails: nothing else is on the line.
    """
    bus = open_bus(port, answer_s=0.5)
    seat = bus.seat(probe=Read(UNIT, 0, REGISTERS))
    failure = await seat.open()
    if failure is not None:
        raise RuntimeError(failure.sentence())
    try:
        began = 0.0
        for number in range(requests + 1):
            if number == 1:
                began = time.perf_counter()  # the first read waits for the quarantine that follows each opening
            words = await read_words(seat, Read(UNIT, 0, REGISTERS), "read")
            if isinstance(words, CommandFailed):
                raise RuntimeError(words.sentence())  # noqa: TRY004 - a failure, not a wrong type
        return requests / (time.perf_counter() - began)
    finally:
        await seat.close()


def open_bus(port: str, answer_s: float) -> Bus[Request, Outcome]:
    """Return the bus behind a serial port."""
    timing = rtu_timing(baud=BAUD, char_bits=CHAR_BITS, answer_s=answer_s)
    return Bus(SerialLink(port, BAUD), ModbusRtu(), timing, now_ns=time.monotonic_ns)


async def measure_stops(folder: Path, stops: int) -> dict[str, float]:
    """Return how long STOP took from the call to its last byte at the slave, with all units asked without a pause."""
    log = folder / "stops.bin"
    units = [str(unit) for unit in STOP_UNITS]
    line, port = start_line(folder, "stops", "--units", *units, "--baud", str(BAUD), "--stops", str(log))
    try:
        calls = await call_stops(port, stops)
    finally:
        line.stop()
    taken = match_stops(calls, log)
    frame_ms = (5 + 2 * REGISTERS) * CHAR_BITS / BAUD * 1000
    return {
        "stops": len(taken),
        "p50_ms": round(statistics.median(taken) / 1e6, 2),
        "p999_ms": round(sorted(taken)[int(len(taken) * STOP_SHARE)] / 1e6, 2),
        "most_ms": round(max(taken) / 1e6, 2),
        "frame_ms": round(frame_ms, 2),
        "limit_ms": round(frame_ms + 20, 2),
    }


async def call_stops(port: str, stops: int) -> list[int]:
    """Stop one of the units again and again while all are read as fast as the bus goes; return the calls' times."""
    bus = open_bus(port, answer_s=0.05)
    chance = random.Random("stops")  # noqa: S311 - when to press is no secret
    calls = []
    async with AsyncExitStack() as stack:
        seats = []
        for unit in STOP_UNITS:
            seat = bus.seat(probe=Read(unit, 0, REGISTERS))
            failure = await seat.open()
            if failure is not None:
                raise RuntimeError(failure.sentence())
            stack.push_async_callback(seat.close)
            seats.append(seat)
        hurrying = [asyncio.create_task(hurry(seat, unit)) for unit, seat in zip(STOP_UNITS, seats, strict=True)]
        switches = [make_switch(seat, unit) for unit, seat in zip(STOP_UNITS, seats, strict=True)]
        for _ in range(stops):
            await asyncio.sleep(chance.uniform(0, REST_S))
            calls.append(time.monotonic_ns())
            await chance.choice(switches).stop()
        for task in hurrying:
            task.cancel()
        await asyncio.wait(hurrying)
    return calls


async def hurry(seat: ModbusSeat, unit: int) -> None:
    """Read a unit without a pause."""
    while True:
        await seat.ask(Read(unit, 0, REGISTERS))


def make_switch(seat: ModbusSeat, unit: int) -> StopSwitch[Words]:
    """Return a STOP that is proven by any read-back: what counts here is when it left."""

    def judge(replies: tuple[Reply[Outcome], ...]) -> Words | str:
        [reply] = replies
        return reply.answer if isinstance(reply.answer, Words) else "no registers"

    part = StopPart(seat, (SetCoil(unit, 0, on=False),), (Read(unit, 0, 2),))
    return StopSwitch(lambda: (part,), judge, expected="registers", advice="none")


def match_stops(calls: list[int], log: Path) -> list[int]:
    """Return the ns from each call to the first STOP that had arrived whole after it.

    Raises: `RuntimeError` where a STOP never arrived.
    """
    arrived = [at for (at,) in struct.iter_unpack("<q", log.read_bytes())]
    taken, place = [], 0
    for call in calls:
        while place < len(arrived) and arrived[place] < call:
            place += 1
        if place == len(arrived):
            raise RuntimeError(f"a STOP did not arrive ({len(calls)} called, {len(arrived)} arrived)")
        taken.append(arrived[place] - call)
    return taken
