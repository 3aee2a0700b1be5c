"""The fault matrix: how often wrong data was handed up as good, for each fault, unit and kind of wire."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus, Reply, Result, Seat
from nebctl_drivers.link import SerialLink, memory_pair
from nebctl_drivers.modbus import Outcome, Read, ReadInput, Request, Words
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_lab.bench.evil import FAULTS, EvilSlave, Plan, is_right
from nebctl_lab.virtual import VirtualLoop
from nebctl_simulators.wire import PtyWire

BAUD = 115_200
ANSWER_S = 0.100
PROBE_COUNT = 8
HARMLESS = frozenset(("none", "noise_before", "noise_idle", "echo", "split", "duplicate"))
"""Faults that leave the answer whole: no request may be lost to them."""
Joint: TypeAlias = tuple[Seat[Request, Outcome], EvilSlave]
UNITS = (1, 40)
"""Unit 1 is also a function code, which misleads a search for frames; 40 is none."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What came of the requests of one case; `wrong` must stay 0, `lost` is what the fault itself costs."""

    fault: str
    unit: int
    asked: int = 0
    right: int = 0
    lost: int = 0
    cancelled: int = 0
    wrong: int = 0
    struck: int = 0

    def is_served(self) -> bool:
        """Return whether the guard handed up what it could: losing everything would keep `wrong` at 0 too."""
        if self.fault in HARMLESS:
            return self.right == self.asked
        if self.fault.startswith("late"):  # an answer that is late holds up those behind it
            return self.right >= self.asked // 10
        return self.right >= 0.95 * (self.asked - self.struck)  # now and then an answer only clears a doubt


@asynccontextmanager
async def in_memory(unit: int, fault: str, seed: int) -> AsyncIterator[Joint]:
    """Join a seat and a slave in memory; time is the event loop's."""
    near, far = memory_pair()
    await far.open()
    timing = rtu_timing(baud=BAUD, answer_s=ANSWER_S)
    slave = EvilSlave(unit, Plan(fault=fault, late_s=ANSWER_S), far.write, seed)
    bus = Bus(near, ModbusRtu(), timing, now_ns=lambda: round(asyncio.get_running_loop().time() * 1e9))
    seat = bus.seat(probe=Read(unit, 0, PROBE_COUNT))
    assert await seat.open() is None
    serving = asyncio.create_task(_serve(far.read, slave))
    try:
        yield seat, slave
    finally:
        await seat.close()
        far.close()
        await serving


@asynccontextmanager
async def on_pty(
    unit: int, fault: str, seed: int, path: Path
) -> AsyncIterator[tuple[Seat[Request, Outcome], EvilSlave]]:
    """Join a seat and a slave over a real pseudo-terminal at `path`, in real time."""
    wire = PtyWire(path)
    timing = rtu_timing(baud=BAUD, answer_s=ANSWER_S)
    slave = EvilSlave(unit, Plan(fault=fault, late_s=ANSWER_S), wire.write, seed)
    wire.plug(slave.feed)
    bus = Bus(SerialLink(str(path), BAUD), ModbusRtu(), timing, now_ns=time.monotonic_ns)
    seat = bus.seat(probe=Read(unit, 0, PROBE_COUNT))
    assert await seat.open() is None
    try:
        yield seat, slave
    finally:
        await seat.close()
        wire.unplug()


def count_in_memory(case: tuple[int, str, int, int]) -> Counts:
    """Run one case (unit, fault, requests, seed) in memory, in virtual time, on a loop of its own."""
    unit, fault, requests, seed = case

    async def run() -> Counts:
        async with in_memory(unit, fault, seed) as (seat, slave):
            return await run_case(seat, slave, requests, seed)

    loop = VirtualLoop()
    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


async def count_on_ptys(folder: Path, requests: int, seed: int) -> list[Counts]:
    """Run every case at the same time, each on a pseudo-terminal of its own."""

    async def run(unit: int, fault: str) -> Counts:
        async with on_pty(unit, fault, seed, folder / f"{fault}-{unit}") as (seat, slave):
            return await run_case(seat, slave, requests, seed)

    return await asyncio.gather(*(run(unit, fault) for unit in UNITS for fault in FAULTS))


async def _serve(read: Callable[[], Awaitable[bytes | CommandFailed]], slave: EvilSlave) -> None:
    while not isinstance(data := await read(), CommandFailed):
        slave.feed(data)


async def run_case(seat: Seat[Request, Outcome], slave: EvilSlave, requests: int, seed: int) -> Counts:
    """Ask `requests` times for registers here and there, and count what came of it.

    Addresses and counts are few, so that answers to different requests often look alike.
    """
    counts = Counts(fault=slave.plan.fault, unit=slave.unit)
    chance = random.Random(f"{seed}/host")  # noqa: S311 - which register to read is no secret
    for _ in range(requests):
        kind = chance.choice((Read, Read, ReadInput))
        request = kind(slave.unit, chance.randrange(0, 4) * 100, chance.choice((2, 4, 4, 8)))
        counts.asked += 1
        give_up = slave.plan.fault == "late_after_cancel" and chance.random() < slave.plan.share
        result = await _ask(seat, request, chance.uniform(0, ANSWER_S) if give_up else None)
        if result is None:
            counts.cancelled += 1
        elif not isinstance(result, Reply) or not isinstance(result.answer, Words):
            counts.lost += 1
        elif is_right(result.answer.values, request.address, request.count, slave):
            counts.right += 1
        else:
            counts.wrong += 1
    counts.struck = slave.struck
    return counts


async def _ask(
    seat: Seat[Request, Outcome], request: Read | ReadInput, patience_s: float | None
) -> Result[Outcome] | None:
    """Return what came of a request; None where it was given up after `patience_s` without."""
    asking = asyncio.create_task(seat.ask(request))
    await asyncio.wait({asking}, timeout=patience_s)
    asking.cancel()
    await asyncio.wait({asking})
    return None if asking.cancelled() else asking.result()
