"""The guard on a Modbus RTU bus against a slave that misbehaves: nothing wrong is ever handed up as good."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from nebctl_drivers.bus import Bus
from nebctl_drivers.exchange import Answered, Sent
from nebctl_drivers.modbus import Outcome, Read, Request
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.timing import Reply
from nebctl_lab.bench.evil import FAULTS
from nebctl_lab.bench.matrix import HARMLESS, UNITS, Counts, in_memory, run_case

pytestmark = pytest.mark.virtual


async def count(unit: int, fault: str, requests: int, seed: int = 1) -> Counts:
    """Run one case in memory."""
    async with in_memory(unit, fault, seed) as (seat, slave):
        return await run_case(seat, slave, requests, seed)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_wrong_answer_is_believed(fault: str, unit: int) -> None:
    """Of 400 requests with every second answer spoiled, none brings another request's data, nor stale data."""
    counts = await count(unit, fault, 400)
    assert counts.wrong == 0
    assert counts.right + counts.lost + counts.cancelled == counts.asked == 400
    assert counts.struck > 100 or fault == "none"
    assert counts.right > 50


@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_what_does_not_touch_the_answer_costs_nothing(fault: str) -> None:
    """Noise around a good frame, an echo, a split and a doubled answer lose no request."""
    counts = await count(40, fault, 300)
    assert (counts.right, counts.lost) == (300, 0)


class NaiveRtu(ModbusRtu):
    """An RTU dialect without a memory: an answer that fits the present request is taken for its own."""

    numbered = True

    def feed(self, data: bytes, waiting: Sequence[Sent[Request]]) -> Iterator[Answered[Request, Outcome]]:
        """Look at the newest request alone."""
        return super().feed(data, waiting[-1:])


async def test_without_ghosts_and_quarantine_the_matrix_would_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix can fail: a host that takes the next fitting answer hands up wrong data after a late one."""
    monkeypatch.setattr("nebctl_lab.bench.matrix.ModbusRtu", NaiveRtu)
    assert (await count(40, "late_after_timeout", 300)).wrong > 10
    assert (await count(40, "late_after_cancel", 300)).wrong > 10


async def test_an_answer_as_late_as_it_likes_is_not_believed() -> None:
    """A unit that answers far later than any quarantine waits is brought back in step by another question."""
    async with in_memory(40, "none", 1) as (seat, slave):
        slave.plan = type(slave.plan)(fault="late_after_timeout", late_s=0.700, share=1.0)
        first = await seat.ask(Read(40, 100, 4))
        assert not isinstance(first, Reply)
        slave.plan = type(slave.plan)(fault="none", late_s=0.0)
        for _ in range(20):
            result = await seat.ask(Read(40, 200, 4))
            if isinstance(result, Reply):
                assert result.answer.values[0] == 200
                return
        raise AssertionError("never in step again")


async def test_a_dead_unit_that_comes_back_is_read_again_within_two_seconds() -> None:
    """Ghosts do not outlive their time: however many requests stayed unanswered, the unit is heard soon after."""
    async with in_memory(40, "none", 1) as (seat, slave):
        feed, slave.feed = slave.feed, lambda _: None  # type: ignore[method-assign]
        for _ in range(60):
            assert not isinstance(await seat.ask(Read(40, 0, 4)), Reply)
        slave.feed = feed  # type: ignore[method-assign]
        loop = asyncio.get_running_loop()
        back_at = loop.time()
        while not isinstance(await seat.ask(Read(40, 0, 4)), Reply):
            assert loop.time() - back_at < 2.0
            await asyncio.sleep(0.01)


async def test_the_failure_says_what_was_heard_instead() -> None:
    """A request that got a wrong frame, or noise, is told with the frame's unit and function, or the bytes."""
    async with in_memory(40, "wrong_function", 1) as (seat, slave):
        slave.plan = type(slave.plan)(fault="wrong_function", late_s=0.1, share=1.0)
        assert "unit 40 with function 4" in (await seat.ask(Read(40, 0, 4))).seen  # type: ignore[union-attr]
        slave.plan = type(slave.plan)(fault="bad_crc", late_s=0.1, share=1.0)
        assert "no good frame, 28 03" in (await seat.ask(Read(40, 0, 4))).seen  # type: ignore[union-attr]


async def test_a_block_that_would_hold_up_a_stop_is_refused() -> None:
    """An exchange of more than 40 ms on the wire is not sent; the refusal says what to change."""
    async with in_memory(40, "none", 1) as (seat, slave):
        slow = Bus(seat._bus._link, ModbusRtu(), rtu_timing(baud=9600, answer_s=0.1), now_ns=lambda: 0)
        other = slow.seat()
        assert await other.open() is None
        refusal = await other.ask(Read(40, 0, 22))
        assert "59 ms" in refusal.seen  # type: ignore[union-attr]
        assert slave.seen == 0
        await other.close()
