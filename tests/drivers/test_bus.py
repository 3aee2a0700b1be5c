"""The bus guard's own rules: turns, gap, quarantine, shielding, and STOP ahead of everything."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.bus import Bus, Silence
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Done, Outcome, Read, Request, SetCoil, Words
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.modbus_talk import ModbusSeat, write_once
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Reply
from nebctl_lab.bench.evil import crc

pytestmark = pytest.mark.virtual

BAUD = 19_200
GAP_S = 3.5 * 11 / BAUD
ANSWER_S = 0.05
OFF = SetCoil(1, 0, on=False)


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Units:
    """Units on one line: each answers reads with its own id after `think_s[unit]`; coil 0 is its output.

    `heard` has time, unit and function of every request; `deaf` units are absent.
    """

    link: MemoryLink
    heard: list[tuple[float, int, int]] = field(default_factory=list)
    think_s: dict[int, float] = field(default_factory=dict)
    deaf: set[int] = field(default_factory=set)
    on: dict[int, bool] = field(default_factory=dict)
    stuck: bool = False

    async def serve(self) -> None:
        """Answer until the wire is gone."""
        while not isinstance(data := await self.link.read(), CommandFailed):
            while data:
                frame, data = data[:8], data[8:]
                assert frame[-2:] == crc(frame[:-2]), frame
                self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        unit, function = frame[0], frame[1]
        self.heard.append((now(), unit, function))
        if unit in self.deaf:
            return
        body = bytes([unit, function])
        if function == 5:
            self.on[unit] = bool(frame[4]) or self.stuck
            body += frame[2:6]
        else:
            count = frame[5]
            body += bytes([2 * count]) + bytes([self.on.get(unit, False), unit] * count)
        asyncio.get_running_loop().call_later(self.think_s.get(unit, 0.001), self.link.write, body + crc(body))


@asynccontextmanager
async def join(seats: int = 1) -> AsyncIterator[tuple[list[ModbusSeat], Units]]:
    """Join units 1 to `seats` on one paced-by-computation RTU bus."""
    near, far = memory_pair()
    await far.open()
    units = Units(far)
    serving = asyncio.create_task(units.serve())
    bus: Bus[Request, Outcome] = Bus(
        near, ModbusRtu(), rtu_timing(baud=BAUD, answer_s=ANSWER_S), now_ns=lambda: round(now() * 1e9)
    )
    places = [bus.seat(probe=Read(unit, 0, 4)) for unit in range(1, seats + 1)]
    for place in places:
        assert await place.open() is None
    await asyncio.sleep(1)  # the quarantine after an opening
    try:
        yield places, units
    finally:
        for place in places:
            await place.close()
        far.close()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


def make_switch(seat: ModbusSeat, unit: int) -> StopSwitch[str]:
    """Return a STOP for the output of a unit."""

    def judge(replies: tuple[Reply[Outcome], ...]) -> str | tuple[int, ...]:
        assert isinstance(replies[0].answer, Words)
        return "on" if replies[0].answer.values[0] >> 8 else replies[0].answer.values

    part = StopPart(seat, (SetCoil(unit, 0, on=False),), (Read(unit, 0, 2),))
    return StopSwitch(lambda: (part,), judge, expected="off", advice="pull the plug")  # type: ignore[arg-type]


async def test_frames_keep_the_silence_of_three_and_a_half_characters() -> None:
    """Between the end of one exchange and the next request the wire is silent for t3.5."""
    async with join() as ([seat], units):
        for _ in range(5):
            assert isinstance(await seat.ask(Read(1, 0, 2)), Reply)
        times = [at for at, _, _ in units.heard]
        gaps = [late - early - 0.001 for early, late in itertools.pairwise(times)]
        assert min(gaps) >= GAP_S - 1e-9
        assert max(gaps) < 8 * 10 / BAUD + GAP_S + 0.002


async def test_devices_on_one_bus_take_turns() -> None:
    """Eight devices that ask as fast as they can are served alike, whoever began."""
    async with join(8) as (seats, units):

        async def hurry(seat: ModbusSeat, unit: int) -> None:
            while True:
                await seat.ask(Read(unit, 0, 2))

        tasks = [asyncio.create_task(hurry(seat, unit)) for unit, seat in enumerate(seats, 1)]
        await asyncio.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        counts = [sum(unit == heard for _, heard, _ in units.heard) for unit in range(1, 9)]
        assert min(counts) > 10
        assert max(counts) - min(counts) <= 1


async def test_a_greedy_device_does_not_starve_another() -> None:
    """Twenty requests of one device at once delay another's single request by one exchange, not by twenty."""
    async with join(2) as ([greedy, modest], units):
        tasks = [asyncio.create_task(greedy.ask(Read(1, 0, 2))) for _ in range(20)]
        await asyncio.sleep(0)
        assert isinstance(await modest.ask(Read(2, 0, 2)), Reply)
        assert len(units.heard) <= 3
        await asyncio.gather(*tasks)


async def test_after_silence_the_bus_is_quiet_for_the_late_window() -> None:
    """A request without an answer is followed by thinking time plus the longest frame before anybody asks again."""
    async with join(2) as ([deaf, other], units):
        units.deaf = {1}
        assert isinstance(await deaf.ask(Read(1, 0, 2)), Silence)
        silent_at = now()
        assert isinstance(await other.ask(Read(2, 0, 2)), Reply)
        assert units.heard[-1][0] - silent_at == pytest.approx(ANSWER_S + 256 * 10 / BAUD, abs=1e-6)


async def test_a_cancelled_caller_leaves_its_exchange_to_end() -> None:
    """The answer to a cancelled request passes before the next request goes out, which gets its own."""
    async with join() as ([seat], units):
        units.think_s[1] = 0.04
        asking = asyncio.create_task(seat.ask(Read(1, 0, 2)))
        await asyncio.sleep(0.01)
        asking.cancel()
        result = await seat.ask(Read(1, 0, 4))
        assert isinstance(result, Reply)
        assert len(result.answer.values) == 4  # type: ignore[union-attr]
        assert units.heard[1][0] - units.heard[0][0] >= 0.04


async def test_a_caller_cancelled_in_the_queue_sends_nothing() -> None:
    """A request that nobody waits for any more is not put on the wire late."""
    async with join() as ([seat], units):
        units.think_s[1] = 0.04
        tasks = [asyncio.create_task(seat.ask(Read(1, 0, count))) for count in (1, 2, 3)]
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert len(units.heard) == 2


@pytest.mark.req("S20")
async def test_stop_goes_out_at_the_first_silence_whatever_waits() -> None:
    """With a pending read, a queue and a quarantine in its way, STOP waits for t3.5 of silence and nothing else."""
    async with join(3) as (seats, units):
        units.deaf = {1}
        await seats[0].ask(Read(1, 0, 2))  # quarantine
        queue = [asyncio.create_task(seat.ask(Read(unit, 0, 2))) for unit, seat in enumerate(seats, 1)]
        await asyncio.sleep(0.010)
        asked = now()
        report = await make_switch(seats[2], 3).stop()
        assert not isinstance(report, CommandFailed)
        at, unit, function = next(item for item in units.heard if item[2] == 5)
        assert (unit, function) == (3, 5)
        assert at - asked <= GAP_S + 8 * 10 / BAUD + 1e-9
        for task in queue:
            task.cancel()
        await asyncio.wait(queue)


@pytest.mark.req("S20")
async def test_stop_abandons_a_pending_read_and_does_not_believe_its_late_answer() -> None:
    """The read that STOP overtook said ON; its late answer is not taken for STOP's own read-back, nor OFF for ON."""
    async with join() as ([seat], units):
        await write_once(seat, SetCoil(1, 0, on=True), "on")
        units.think_s[1] = 0.030
        reading = asyncio.create_task(seat.ask(Read(1, 0, 2)))
        await asyncio.sleep(0.008)
        switch = make_switch(seat, 1)
        report = await switch.stop()
        assert not isinstance(report, CommandFailed)
        assert units.on[1] is False
        assert isinstance(await reading, Silence)
        assert not switch.unproven


@pytest.mark.req("S20")
async def test_a_line_that_is_never_silent_does_not_hold_a_stop_for_ever() -> None:
    """A babbling unit keeps STOP back for 40 ms at most."""
    async with join() as ([seat], units):
        babble = asyncio.create_task(_babble(units.link))
        await asyncio.sleep(0.05)
        asked = now()
        await make_switch(seat, 1).stop()
        first = next(at for at, _, function in units.heard if function == 5)
        assert first - asked <= 0.040 + GAP_S + 1e-6
        babble.cancel()
        await asyncio.wait({babble})


async def _babble(link: MemoryLink) -> None:
    while True:
        link.write(b"\x55")
        await asyncio.sleep(0.0005)


async def test_a_stop_without_an_answer_goes_out_every_50_ms_and_lets_others_live() -> None:
    """A unit that is gone gets STOP for 2 s, and the others on its bus are read all the while."""
    async with join(2) as ([gone, other], units):
        units.deaf = {1}
        reads: list[float] = []

        async def poll() -> None:
            while True:
                if isinstance(await other.ask(Read(2, 0, 2)), Reply):
                    reads.append(now())

        polling = asyncio.create_task(poll())
        began = now()
        failure = await make_switch(gone, 1).stop()
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN
        assert now() - began == pytest.approx(2.0, abs=0.06)
        stops = [at for at, unit, function in units.heard if (unit, function) == (1, 5)]
        gaps = sorted(b - a for a, b in itertools.pairwise(stops))
        assert gaps[len(gaps) // 2] < 0.06
        assert gaps[-1] < 0.16  # now and then a station is given all the time that it may think
        assert max(b - a for a, b in itertools.pairwise(reads)) < 0.25
        polling.cancel()
        await asyncio.wait({polling})


async def test_a_unit_stuck_on_is_never_called_off() -> None:
    """Acknowledged STOPs without an OFF in the read-back end as unknown, and nothing may be asked for after it."""
    async with join() as ([seat], units):
        units.stuck = units.on[1] = True
        switch = make_switch(seat, 1)
        failure = await switch.stop()
        assert isinstance(failure, CommandFailed)
        assert switch.unproven
        assert switch.refuse_unproven() is not None


async def test_a_reopened_bus_serves_all_its_seats() -> None:
    """After a loss the first seat that opens brings the link back, and the others only take their places."""
    async with join(2) as (seats, units):
        units.link.cut()
        await asyncio.sleep(0)
        lost = await seats[0].ask(Read(1, 0, 2))
        assert isinstance(lost, CommandFailed)
        await asyncio.sleep(0)
        await units.link.open()
        serving = asyncio.create_task(units.serve())
        for seat in seats:
            assert await seat.open() is None
        answers = [await seat.ask(Read(unit, 0, 2)) for unit, seat in enumerate(seats, 1)]
        assert all(isinstance(answer, Reply) for answer in answers)
        for seat in seats:
            await seat.close()
        units.link.close()
        await serving


async def test_on_a_line_with_echo_an_echo_is_not_an_acknowledgement() -> None:
    """The answer to a single-coil write looks like its echo: once a line is known to echo, it must come twice."""
    near, far = memory_pair()
    await far.open()
    bus: Bus[Request, Outcome] = Bus(
        near, ModbusRtu(), rtu_timing(baud=BAUD, answer_s=ANSWER_S), now_ns=lambda: round(now() * 1e9)
    )
    seat = bus.seat()
    assert await seat.open() is None
    answers = iter((b"\x01\x03\x02\x00\x07", None, b"\x01\x05\x00\x00\x00\x00"))

    async def serve() -> None:
        while not isinstance(frame := await far.read(), CommandFailed):
            body = next(answers)
            far.write(frame + (body + crc(body) if body else b""))

    serving = asyncio.create_task(serve())
    first = await seat.ask(Read(1, 0, 1))
    assert isinstance(first, Reply)
    assert first.answer == Words((7,))
    assert isinstance(await seat.ask(OFF), Silence)
    last = await seat.ask(OFF)
    assert isinstance(last, Reply)
    assert last.answer == Done()
    await seat.close()
    far.close()
    await serving
