"""A slave on libmodbus, compiled here, against our Modbus RTU master on the bus guard, over two joined terminals."""

import asyncio
import os
import pty
import time
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nebctl_drivers.bus import Bus
from nebctl_drivers.link import SerialLink
from nebctl_drivers.modbus import (
    Bits,
    Denied,
    Done,
    Outcome,
    Read,
    ReadCoils,
    ReadInput,
    Request,
    SetCoil,
    Words,
    Write,
)
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.seat import Seat
from nebctl_drivers.timing import Reply, Silence


@asynccontextmanager
async def joined_terminals() -> AsyncIterator[tuple[str, str]]:
    """Yield the paths of two terminals of which each gives what the other takes."""
    loop = asyncio.get_running_loop()
    (one, one_host), (other, other_host) = pty.openpty(), pty.openpty()
    for end in (one_host, other_host):
        tty.setraw(end)
    for source, sink in ((one, other), (other, one)):
        loop.add_reader(source, lambda source=source, sink=sink: os.write(sink, os.read(source, 4096)))
    try:
        yield os.ttyname(one_host), os.ttyname(other_host)
    finally:
        for end in (one, other):
            loop.remove_reader(end)
        for end in (one, one_host, other, other_host):
            os.close(end)


@asynccontextmanager
async def seat_at(slave: Path, run_ready: Callable[..., str], unit: int) -> AsyncIterator[Seat[Request, Outcome]]:
    """Yield a seat on a bus whose other end is the slave with this unit."""
    async with joined_terminals() as (ours, theirs):
        await asyncio.to_thread(run_ready, slave, theirs, unit)
        timing = rtu_timing(baud=115_200, answer_s=0.3)
        bus = Bus[Request, Outcome](SerialLink(ours, 115_200), ModbusRtu(), timing, now_ns=time.monotonic_ns)
        seat = bus.seat(probe=Read(unit, 0, 1))
        assert await seat.open() is None
        try:
            yield seat
        finally:
            await seat.close()


async def answer(seat: Seat[Request, Outcome], request: Request) -> Outcome:
    """Return the answer, which must come."""
    reply = await seat.ask(request)
    assert isinstance(reply, Reply), (request, reply)
    return reply.answer


@pytest.mark.parametrize("unit", [1, 40])
async def test_the_slave_understands_every_request(
    libmodbus_slave: Path, run_ready: Callable[..., str], unit: int
) -> None:
    """Each kind of read and write that our master has is answered by libmodbus with what it holds, in both units."""
    async with seat_at(libmodbus_slave, run_ready, unit) as seat:
        assert await answer(seat, Read(unit, 3, 4)) == Words((1003, 1004, 1005, 1006))
        assert await answer(seat, Read(unit, 0, 64)) == Words(tuple(range(1000, 1064)))
        assert await answer(seat, ReadInput(unit, 63, 1)) == Words((2063,))
        assert await answer(seat, ReadCoils(unit, 0, 1)) == Bits((False,))
        assert await answer(seat, Write(unit, 10, (0xFFFF, 0, 0x1234))) == Done()
        assert await answer(seat, Read(unit, 9, 5)) == Words((1009, 0xFFFF, 0, 0x1234, 1013))
        assert await answer(seat, SetCoil(unit, 4, on=True)) == Done()
        assert await answer(seat, ReadCoils(unit, 4, 1)) == Bits((True,))
        assert await answer(seat, Read(unit, 60, 5)) == Denied(2)


@pytest.mark.parametrize("unit", [1, 40])
async def test_an_absent_unit_is_silent_and_harms_nobody(
    libmodbus_slave: Path, run_ready: Callable[..., str], unit: int
) -> None:
    """A request to a unit that is not there ends in silence, and the next one to the one that is comes right."""
    async with seat_at(libmodbus_slave, run_ready, unit) as seat:
        assert isinstance(await seat.ask(Read(unit + 1, 0, 2)), Silence)
        assert await answer(seat, Read(unit, 0, 2)) == Words((1000, 1001))


@pytest.mark.parametrize("unit", [1, 40])
async def test_five_hundred_reads_in_turn_are_all_right(
    libmodbus_slave: Path, run_ready: Callable[..., str], unit: int
) -> None:
    """Reads of ever other places and counts each give their own registers, none another's."""
    async with seat_at(libmodbus_slave, run_ready, unit) as seat:
        for number in range(500):
            address, count = number % 50, 1 + number % 13
            expected = Words(tuple(1000 + address + place for place in range(count)))
            assert await answer(seat, Read(unit, address, count)) == expected
