"""The guard on two wires that everybody shares: who talks over another is heard by nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus, Silence
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Outcome, Read, ReadCoils, Request, SetCoil, Words
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.modbus_talk import ModbusSeat
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Reply
from nebctl_lab.bench.evil import crc

pytestmark = pytest.mark.virtual

ANSWER_S = 0.1


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Line:
    """Half duplex: frames that overlap in time are garbled for all. Stations think for `think_s` and hear nothing then.

    `deaf` loses so many of the next requests; `off_at` is when each unit's coil went off.
    """

    link: MemoryLink
    baud: int
    think_s: float
    deaf: int = 0
    on: dict[int, bool] = field(default_factory=dict)
    off_at: dict[int, float] = field(default_factory=dict)
    busy: dict[int, float] = field(default_factory=dict)
    frames: list[tuple[float, float]] = field(default_factory=list)
    free_at: float = 0.0

    async def serve(self) -> None:
        """Take the host's frames until the wire is gone."""
        while not isinstance(data := await self.link.read(), CommandFailed):
            while data:
                frame, data = data[:8], data[8:]
                start = max(now(), self.free_at)
                self.free_at = start + 80 / self.baud
                self._transmit(start, self.free_at, lambda frame=frame: self._hear(frame), heard=False)

    def _transmit(self, start: float, end: float, then: object, *, heard: bool = True) -> None:
        mine = (start, end)
        self.frames.append(mine)

        def arrive() -> None:
            if not any(other is not mine and other[0] < end and other[1] > start for other in self.frames):
                then()  # type: ignore[operator]
            elif heard:  # the host hears the end of what it talked over
                self.link.write(b"\xa5\x00")

        asyncio.get_running_loop().call_at(end + 1e-9, arrive)

    def _hear(self, frame: bytes) -> None:
        unit, function = frame[0], frame[1]
        if frame[-2:] != crc(frame[:-2]) or self.busy.get(unit, 0.0) > now():
            return
        if self.deaf:
            self.deaf -= 1
            return
        body = bytes([unit, function])
        if function == 5:
            self.on[unit] = bool(frame[4])
            self.off_at.setdefault(unit, now())
            body += frame[2:6]
        else:
            body += bytes([2 * frame[5]]) + bytes([self.on.get(unit, True), unit] * frame[5])
        answer = body + crc(body)
        start = now() + self.think_s
        end = start + len(answer) * 10 / self.baud
        self.busy[unit] = end
        self._transmit(start, end, lambda: self.link.write(answer))


@asynccontextmanager
async def join(units: int, baud: int, think_s: float) -> AsyncIterator[tuple[list[ModbusSeat], Line]]:
    """Join a bus with `units` seats and a line."""
    near, far = memory_pair()
    await far.open()
    line = Line(far, baud, think_s)
    serving = asyncio.create_task(line.serve())
    timing = rtu_timing(baud=baud, answer_s=ANSWER_S)
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), timing, now_ns=lambda: round(now() * 1e9))
    seats = [bus.seat(probe=Read(unit, 0, 8)) for unit in range(1, units + 1)]
    for seat in seats:
        assert await seat.open() is None
    await asyncio.sleep(1)
    try:
        yield seats, line
    finally:
        for seat in seats:
            await seat.close()
        far.close()
        await serving


def make_switch(seat: ModbusSeat, unit: int) -> StopSwitch[Words]:
    """Return a STOP that is proven by the output's own register."""

    def judge(replies: tuple[Reply[Outcome], ...]) -> Words | str:
        answer = replies[0].answer
        return answer if isinstance(answer, Words) and not answer.values[0] >> 8 else "on"

    part = StopPart(seat, (SetCoil(unit, 0, on=False),), (Read(unit, 0, 2),))
    return StopSwitch(lambda: (part,), judge, expected="off", advice="pull the plug")


async def hurry(seat: ModbusSeat, unit: int) -> None:
    """Read a unit without a pause."""
    while True:
        await seat.ask(Read(unit, 0, 8))


@pytest.mark.req("S20")
@pytest.mark.parametrize("think_s", [0.0005, 0.002, 0.01, 0.04, 0.08])
@pytest.mark.parametrize("baud", [19_200, 115_200])
async def test_a_stop_that_met_an_answer_is_repeated_at_its_end(baud: int, think_s: float) -> None:
    """On a busy line each of ten STOPs takes effect within the poll that it met and 20 ms, and each is proven."""
    async with join(2, baud, think_s) as (seats, line):
        polling = [asyncio.create_task(hurry(seat, unit)) for unit, seat in enumerate(seats, 1)]
        await asyncio.sleep(0.5)
        poll_s = (8 + 21) * 10 / baud + think_s
        for number in range(10):
            await asyncio.sleep(0.3 + number * 0.0037)
            line.off_at.clear()
            line.on[1] = True
            asked = now()
            report = await make_switch(seats[0], 1).stop()
            assert isinstance(report, Words)
            assert line.off_at[1] - asked <= poll_s + 5 * 80 / baud + 0.020
        for task in polling:
            task.cancel()
        await asyncio.wait(polling)


@pytest.mark.req("S51")
async def test_eight_devices_stopped_at_once_are_off_within_a_tenth_of_a_second() -> None:
    """What turns off goes to all of them before anybody is asked for a read-back, and every one is proven."""
    async with join(8, 115_200, 0.005) as (seats, line):
        for unit, seat in enumerate(seats, 1):
            await seat.ask(Read(unit, 0, 8))
        asked = now()
        switches = [make_switch(seat, unit) for unit, seat in enumerate(seats, 1)]
        reports = await asyncio.gather(*(switch.stop() for switch in switches))
        assert all(isinstance(report, Words) for report in reports)
        assert max(line.off_at.values()) - asked <= 0.100


async def test_one_lost_wire_does_not_end_the_stop_on_the_other() -> None:
    """The part that can still be reached is told until it is off; the failure names the wire that is gone."""
    async with join(1, 115_200, 0.002) as ([alive], line), join(1, 115_200, 0.002) as ([gone], other):
        other.link.cut()
        await asyncio.sleep(0.01)
        line.deaf = 3
        parts = [StopPart(seat, (SetCoil(1, 0, on=False),), (Read(1, 0, 2),)) for seat in (gone, alive)]
        switch: StopSwitch[Words] = StopSwitch(lambda: parts, lambda _: "never asked", expected="off", advice="none")
        failure = await switch.stop()
        assert isinstance(failure, CommandFailed)
        assert "cut" in failure.seen
        assert line.on == {1: False}


async def test_closing_does_not_swallow_a_stop() -> None:
    """A STOP that still waits for silence goes out before the seat is left."""
    async with join(2, 19_200, 0.02) as ([seat, other], line):
        asking = asyncio.create_task(other.ask(Read(2, 0, 8)))
        await asyncio.sleep(0.001)
        stopping = asyncio.create_task(make_switch(seat, 1).stop())
        await asyncio.sleep(0)
        await seat.close()
        await asyncio.sleep(0.1)
        assert line.frames
        assert isinstance(await stopping, CommandFailed)
        assert len([frame for frame in line.frames if frame[1] - frame[0] < 81 / 19_200]) >= 2
        await asking


async def test_a_reopened_port_is_quiet_until_old_answers_have_passed() -> None:
    """An answer to a request from before the opening is not taken for the first one after it."""
    async with join(1, 115_200, 0.09) as ([seat], line):
        line.think_s = 0.11
        assert isinstance(await seat.ask(Read(1, 0, 4)), Silence)
        await seat.close()
        assert await seat.open() is None
        line.think_s = 0.001
        result = await seat.ask(Read(1, 0, 4))
        assert isinstance(result, Reply)
        assert len(result.answer.values) == 4  # type: ignore[union-attr]


async def test_one_doubled_answer_does_not_shift_the_bus_for_good() -> None:
    """After a second copy of an answer the readings are right again within a second, with no pause between them."""
    near, far = memory_pair()
    await far.open()
    doubled = iter([True])
    requests: list[int] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        while not isinstance(frame := await far.read(), CommandFailed):
            requests.append(frame[3])
            body = bytes([1, 3, 2 * frame[5]]) + bytes([0, frame[3]] * frame[5])
            loop.call_later(0.002, far.write, body + crc(body))
            if len(requests) > 20 and next(doubled, False):
                loop.call_later(0.005, far.write, body + crc(body))

    serving = asyncio.create_task(serve())
    timing = rtu_timing(baud=115_200, answer_s=ANSWER_S)
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), timing, now_ns=lambda: 0)
    seat = bus.seat(probe=Read(1, 0, 4))
    assert await seat.open() is None
    wrong_at: list[float] = []
    for number in range(2000):
        address = number % 3
        result = await seat.ask(Read(1, address, 2))
        if isinstance(result, Reply) and result.answer != Words((address, address)):
            wrong_at.append(now())
    assert now() - wrong_at[-1] > 3 if wrong_at else True
    assert len(wrong_at) <= 64
    await seat.close()
    far.close()
    await serving


async def test_another_masters_exchange_is_not_taken_for_ours() -> None:
    """A request of another host on the line, to the same unit, voids the answer that follows it."""
    near, far = memory_pair()
    await far.open()

    async def serve() -> None:
        while not isinstance(frame := await far.read(), CommandFailed):
            theirs = frame[:3] + b"\x63" + frame[4:6]
            body = bytes([1, 3, 2 * frame[5]]) + bytes([0, 99] * frame[5])
            far.write(theirs + crc(theirs) + body + crc(body))

    serving = asyncio.create_task(serve())
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), rtu_timing(baud=115_200, answer_s=ANSWER_S), now_ns=lambda: 0)
    seat = bus.seat()
    assert await seat.open() is None
    assert isinstance(await seat.ask(Read(1, 7, 2)), Silence)
    await seat.close()
    far.close()
    await serving


async def test_the_echo_of_a_read_of_coils_is_not_its_answer() -> None:
    """An address that begins like a count of bytes makes the echo look like an answer; the one behind counts."""
    near, far = memory_pair()
    await far.open()

    async def serve() -> None:
        while not isinstance(frame := await far.read(), CommandFailed):
            body = b"\x01\x01\x03\x00\x00\x00"
            far.write(frame + body + crc(body))

    serving = asyncio.create_task(serve())
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), rtu_timing(baud=115_200, answer_s=ANSWER_S), now_ns=lambda: 0)
    seat = bus.seat()
    assert await seat.open() is None
    for _ in range(2):
        result = await seat.ask(ReadCoils(1, 0x0300, 24))
        assert isinstance(result, Reply)
        assert result.answer.values == (False,) * 24  # type: ignore[union-attr]
    await seat.close()
    far.close()
    await serving


async def test_a_line_that_is_never_silent_is_told_to_who_asks() -> None:
    """Nobody waits for ever: after three seconds of babble the caller learns what is wrong."""
    near, far = memory_pair()
    await far.open()
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), rtu_timing(baud=115_200, answer_s=ANSWER_S), now_ns=lambda: 0)
    seat = bus.seat()
    assert await seat.open() is None

    async def babble() -> None:
        while True:
            far.write(b"\x55")
            await asyncio.sleep(0.001)

    babbling = asyncio.create_task(babble())
    result = await seat.ask(Read(1, 0, 2))
    assert isinstance(result, Silence)
    assert "never silent" in result.seen
    babbling.cancel()
    await asyncio.wait({babbling})
    await seat.close()
