"""The guard under any sequence of asks, cancellations and stops by three devices on a line where anything happens."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Outcome, Read, Request, SetCoil, Words
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.modbus_talk import ModbusSeat
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Reply
from nebctl_lab.bench.evil import crc
from nebctl_lab.virtual import VirtualLoop

ANSWER_S = 0.05
UNITS = (1, 2, 40)

actions = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "give up", "on", "stop", "pause"]),
        st.sampled_from(UNITS),
        st.integers(0, 3),
        st.floats(0, 0.15),
    ),
    max_size=25,
)
fates = st.lists(
    st.one_of(
        st.just("good"),
        st.just("good"),
        st.just("lost"),
        st.just("noise"),
        st.just("unheard"),
        st.floats(0.001, 0.3),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class Station:
    """A unit that answers in order; its register `n` is `100 * n + request number`, its coil 0 the output."""

    unit: int
    link: MemoryLink
    fates: Sequence[str | float]
    seen: int = 0
    on: bool = False
    free_at: float = 0.0
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)

    def feed(self, frame: bytes) -> None:
        """Act on a whole frame for this unit, and answer as fate has it."""
        fate = self.fates[self.seen % len(self.fates)]
        self.seen += 1
        if fate == "unheard":
            return
        body = bytes([self.unit, frame[1]])
        if frame[1] == 5:
            self.on = frame[4] == 0xFF
            body += frame[2:6]
        else:
            address, count = int.from_bytes(frame[2:4]), int.from_bytes(frame[4:6])
            words = [self.on, address, *[self.seen] * count][:count]
            body += bytes([2 * count]) + b"".join(int(word).to_bytes(2) for word in words)
        answer = body + crc(body)
        loop = asyncio.get_running_loop()
        self.free_at = max(self.free_at, loop.time() + (fate if isinstance(fate, float) else 0.001))
        if fate != "lost":
            noise = b"\x01\x03\x55" if fate == "noise" else b""
            loop.call_at(self.free_at, self.link.write, noise + answer)


async def serve(link: MemoryLink, stations: Sequence[Station]) -> None:
    """Give whole frames to the stations until the wire is gone."""
    while not isinstance(data := await link.read(), CommandFailed):
        while data:
            frame, data = data[:8], data[8:]
            for station in stations:
                if frame[0] == station.unit:
                    station.feed(frame)


def make_switch(seat: ModbusSeat, unit: int) -> StopSwitch[Words]:
    """Return a STOP that is proven by the output's own register."""

    def judge(replies: tuple[Reply[Outcome], ...]) -> Words | str:
        answer = replies[0].answer
        return answer if isinstance(answer, Words) and not answer.values[0] else "on"

    return StopSwitch(
        lambda: (StopPart(seat, (SetCoil(unit, 0, on=False),), (Read(unit, 0, 2),)),), judge, expected="", advice=""
    )


async def ask(seat: ModbusSeat, unit: int, place: int) -> None:
    """Ask for registers here and there; an answer must be to this very request."""
    request = Read(unit, place * 100, 2 + place % 3)
    result = await seat.ask(request)
    if isinstance(result, Reply):
        assert isinstance(result.answer, Words)
        assert len(result.answer.values) == request.count
        assert result.answer.values[1] == request.address


async def stop(switch: StopSwitch[Words], station: Station) -> None:
    """Stop a unit; a stop that is called proven left it off."""
    result = await switch.stop()
    if isinstance(result, Words):
        assert not station.on
        assert not switch.unproven


async def play(steps: Sequence[tuple[str, int, int, float]], chance: Sequence[Sequence[str | float]]) -> None:
    """Play the steps at the same time as far as they overlap; afterwards every task must have ended."""
    near, far = memory_pair()
    await far.open()
    stations = {unit: Station(unit, far, fate) for unit, fate in zip(UNITS, chance, strict=True)}
    serving = asyncio.create_task(serve(far, list(stations.values())))
    timing = rtu_timing(baud=115_200, answer_s=ANSWER_S)
    loop = asyncio.get_running_loop()
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), timing, now_ns=lambda: round(loop.time() * 1e9))
    seats = {unit: bus.seat(probe=Read(unit, 0, 4)) for unit in UNITS}
    switches = {unit: make_switch(seat, unit) for unit, seat in seats.items()}
    for seat in seats.values():
        assert await seat.open() is None
    running: list[asyncio.Task[None]] = []
    for action, unit, place, seconds in steps:
        if action == "pause":
            await asyncio.sleep(seconds)
        elif action == "stop":
            running.append(asyncio.create_task(stop(switches[unit], stations[unit])))
        elif action == "on":
            await asyncio.wait(running) if running else None
            await seats[unit].ask(SetCoil(unit, 0, on=True))
        else:
            running.append(asyncio.create_task(ask(seats[unit], unit, place)))
        if action == "give up":
            await asyncio.sleep(seconds)
            running.pop().cancel()
    await asyncio.gather(*running)
    await asyncio.sleep(5)
    assert not bus._waiting or all(pending.answer.done() for pending in bus._waiting)
    for seat in seats.values():
        await seat.close()
    far.close()
    await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=150, deadline=None)
@given(steps=actions, chance=st.tuples(fates, fates, fates))
def test_no_sequence_brings_a_wrong_answer_or_a_false_off(
    steps: list[tuple[str, int, int, float]], chance: tuple[list[str | float], ...]
) -> None:
    """Whatever is asked, given up and stopped, every answer is the request's own and every proven STOP left it off."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(steps, chance))
    finally:
        loop.close()
