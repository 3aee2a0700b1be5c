"""Modbus TCP over a link, against a scripted unit in virtual time: late, lost, wrong and cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.bus import Bus, Reply
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Read, SetCoil, Words, Write
from nebctl_drivers.modbus_talk import ModbusSeat, read_words, write_once
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.timing import Timing

pytestmark = pytest.mark.virtual

TIMEOUT_S = 0.2
READ, WRITE, COIL = Read(40, 100, 1), Write(40, 7, (1, 2)), SetCoil(41, 0, on=False)


@dataclass
class Unit:
    """A unit whose register 100 counts its reads; `plan` says how the next answers leave it, in order.

    A number delays an answer by so many seconds, "" sends it as it is, None loses it, bytes are put in its PDU's place.
    """

    link: MemoryLink
    plan: list[float | str | bytes | None] = field(default_factory=list)
    heard: list[tuple[float, int, int]] = field(default_factory=list)
    reads: int = 0

    async def serve(self) -> None:
        """Answer until the wire is gone."""
        while not isinstance(data := await self.link.read(), CommandFailed):
            while data:
                length = 6 + int.from_bytes(data[4:6])
                self._answer(data[:length])
                data = data[length:]

    def _answer(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.heard.append((loop.time(), int.from_bytes(frame[:2]), frame[7]))
        pdu = frame[7:12]
        if frame[7] == 3:
            self.reads += 1
            pdu = bytes([3, 2]) + self.reads.to_bytes(2)
        step = self.plan.pop(0) if self.plan else ""
        if isinstance(step, bytes):
            pdu = step
        if step is None:
            return
        answer = frame[:4] + (len(pdu) + 1).to_bytes(2) + frame[6:7] + pdu
        loop.call_later(step, self.link.write, answer) if isinstance(step, float) else self.link.write(answer)


@asynccontextmanager
async def join() -> AsyncIterator[tuple[ModbusSeat, Unit]]:
    """Join a host and a unit; afterwards no task of the host may be left."""
    near, far = memory_pair()
    await far.open()
    unit = Unit(far)
    serving = asyncio.create_task(unit.serve())
    now_ns: Callable[[], int] = lambda: round(asyncio.get_running_loop().time() * 1e9)  # noqa: E731
    wire = Bus(near, ModbusTcp(), Timing(answer_s=TIMEOUT_S), now_ns=now_ns).seat()
    assert await wire.open() is None
    try:
        yield wire, unit
    finally:
        await wire.close()
        far.close()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_late_answer_goes_nowhere() -> None:
    """Answers that come after their time-out are never taken for a later request's, however many follow."""
    async with join() as (wire, unit):
        unit.plan = [0.25, 0.05]
        first = await read_words(wire, READ, "read")
        assert not isinstance(first, CommandFailed)
        assert first[0] == (2,)  # the second request's own answer
        for number in range(3, 10):
            unit.plan = [0.15] if number % 2 else []
            again = await read_words(wire, READ, "read")
            assert not isinstance(again, CommandFailed)
            assert again[0] == (number,)


async def test_after_a_cancelled_read_its_answer_goes_nowhere() -> None:
    """The next request waits until the cancelled one's answer has passed, and gets its own."""
    async with join() as (wire, unit):
        unit.plan = [0.1]
        reading = asyncio.create_task(read_words(wire, READ, "read"))
        await asyncio.sleep(0.01)
        reading.cancel()
        result = await read_words(wire, READ, "read")
        assert not isinstance(result, CommandFailed)
        assert result[0] == (2,)
        assert unit.heard[1][0] - unit.heard[0][0] == pytest.approx(0.1)


async def test_one_transaction_at_a_time() -> None:
    """Three callers at once are served one after the other, each with its own answer."""
    async with join() as (wire, unit):
        unit.plan = [0.05, 0.05, 0.05]
        results = await asyncio.gather(*(read_words(wire, READ, "read") for _ in range(3)))
        assert [result[0] for result in results if not isinstance(result, CommandFailed)] == [(1,), (2,), (3,)]
        times = [at for at, _, _ in unit.heard]
        assert times == pytest.approx([times[0], times[0] + 0.05, times[0] + 0.1])


@pytest.mark.parametrize("answer", [None, b"\x04\x02\0\1", b"\x03\x04\0\1\0\2", b"\x03\x02\0", b"\x83\x02"], ids=str)
async def test_a_read_is_asked_three_times_under_new_numbers(answer: bytes | None) -> None:
    """Lost, wrong and refused reads are asked again; two spoiled ones cost nothing, three are a failure."""
    async with join() as (wire, unit):
        unit.plan = [answer, answer]
        assert not isinstance(await read_words(wire, READ, "read it"), CommandFailed)
        unit.plan = [answer] * 3
        failure = await read_words(wire, READ, "read it")
        assert isinstance(failure, CommandFailed)
        assert failure.command == "read it"
        assert "(3 times asked)" in failure.seen
        numbers = [tid for _, tid, _ in unit.heard]
        assert len(numbers) == len(set(numbers)) == 6


@pytest.mark.req("S18")
@pytest.mark.parametrize(
    ("answer", "certainty"),
    [
        (None, Certainty.UNKNOWN),
        (b"\x10\0\7\0\1", Certainty.UNKNOWN),
        (b"\x06\0\7\0\2", Certainty.UNKNOWN),
        (b"\x90\x03", Certainty.NOT_DONE),
    ],
)
async def test_a_write_is_never_sent_again(answer: bytes | None, certainty: Certainty) -> None:
    """A write without a good acknowledgement went out once; only an exception proves that it was not done."""
    async with join() as (wire, unit):
        unit.plan = [answer]
        failure = await write_once(wire, WRITE, "write it")
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is certainty
        await asyncio.sleep(5)
        assert len(unit.heard) == 1


@pytest.mark.req("S20")
async def test_a_stop_goes_ahead_of_everything() -> None:
    """STOP's bytes leave in the very call, while a read waits and others queue; they go on after the stop."""
    async with join() as (wire, unit):
        unit.plan = [0.15]
        queued = [asyncio.create_task(read_words(wire, READ, "read")) for _ in range(3)]
        await asyncio.sleep(0.01)
        [sent] = wire.begin_stop([COIL])
        await asyncio.sleep(0)
        assert [function for _, _, function in unit.heard] == [3, 5]
        assert not isinstance(sent, CommandFailed)
        await asyncio.sleep(1)
        assert len(unit.heard) == 2
        wire.end_stop()
        results = await asyncio.gather(*queued)
        assert all(not isinstance(result, CommandFailed) for result in results)


async def test_a_lost_wire_tells_everybody() -> None:
    """A request under way ends as unknown at once, a later one as not done, and each says what is wrong."""
    async with join() as (wire, unit):
        unit.plan = [0.15]
        reading = asyncio.create_task(wire.ask(READ))
        await asyncio.sleep(0.01)
        unit.link.cut()
        under_way, later = await reading, await wire.ask(READ)
        assert isinstance(under_way, CommandFailed)
        assert isinstance(later, CommandFailed)
        assert (under_way.certainty, later.certainty) == (Certainty.UNKNOWN, Certainty.NOT_DONE)
        assert wire.loss is not None
        assert "cut" in wire.loss.sentence()


async def test_another_service_on_the_port_is_named() -> None:
    """Bytes that are no Modbus TCP end the conversation with a line that shows them."""
    async with join() as (wire, unit):
        unit.link.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await asyncio.sleep(0.01)
        assert wire.loss is not None
        assert "no Modbus TCP, 5353482d322e302d" in wire.loss.seen


async def test_a_doubled_or_unasked_answer_changes_nothing() -> None:
    """An answer to nobody and one that comes twice leave the next request alone."""
    async with join() as (wire, unit):
        unit.link.write(bytes.fromhex("0001 0000 0005 28 03 02 0063"))
        await asyncio.sleep(0.01)
        first = await wire.ask(READ)
        unit.link.write(bytes.fromhex("0001 0000 0005 28 03 02 0063"))
        await asyncio.sleep(0.01)
        second = await wire.ask(READ)
        told = [reply.answer for reply in (first, second) if isinstance(reply, Reply)]
        assert told == [Words((1,)), Words((2,))]


async def test_a_refused_permit_keeps_the_bytes_back() -> None:
    """A failure of the permit is the result, and nothing is on the wire."""
    refusal = CommandFailed(command="x", certainty=Certainty.NOT_DONE, seen="no", expected="yes", advice="wait")
    permit: Callable[[], CommandFailed | None] = lambda: refusal  # noqa: E731
    async with join() as (wire, unit):
        result = await write_once(wire, WRITE, "write", permit)
        assert isinstance(result, CommandFailed)
        assert (result.command, result.seen, unit.heard) == ("write", "no", [])
