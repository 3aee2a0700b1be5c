"""The simulated balance and our driver, each from its own sources, on one wire in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.balance.device import Balance, BalanceIdentity, Weight, make_bus
from nebctl_drivers.link import memory_pair
from nebctl_simulators.balance.device import Device, Unit
from nebctl_simulators.serve import Bench
from nebctl_simulators.shim import LineFault
from nebctl_simulators.simtime import ScaledTime
from nebctl_simulators.wire import MemoryWire

pytestmark = pytest.mark.virtual

ROUNDS = 40
TOLERANCE_UG = 400


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@dataclass
class Pair:
    """The driver's balance and the simulated one behind it."""

    balance: Balance
    device: Device

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, loop_ns())

    def is_true(self, weight: Weight) -> bool:
        """Tell whether a weight shows what is so."""
        truth = self.device.truth()
        return abs(weight.ug - (truth.load_ug - truth.zero_ug - truth.tare_ug)) <= TOLERANCE_UG


@asynccontextmanager
async def joined(shown_unit: str = "g") -> AsyncIterator[Pair]:
    """Yield driver and simulator at the two ends of a wire, opened."""
    near, far = memory_pair()
    await far.open()
    sim_time = ScaledTime(loop_ns())
    device = Device(unit=Unit(), serial="SIM-0005", sim_time=sim_time, real_ns=loop_ns(), shown_unit=shown_unit)
    wire = MemoryWire(lambda data: far.write(data) and None)
    bench = Bench(device, wire, clock=loop_ns)
    bench.plug()

    async def listen() -> None:
        while not isinstance(data := await far.read(), CommandFailed):
            wire.receive(data)

    listener = asyncio.create_task(listen())
    pair = Pair(Balance(make_bus(near, baud=None, now_ns=loop_ns)), device)
    try:
        identity = await pair.balance.open()
        assert isinstance(identity, BalanceIdentity), identity
        assert identity.serial == "SIM-0005"
        yield pair
    finally:
        await pair.balance.close()
        bench.unplug()
        far.close()
        await listener


@pytest.mark.parametrize("shown_unit", ["g", "mg"])
async def test_they_understand_each_other(shown_unit: str) -> None:
    """In each unit: a stable weight, a tare, a zero, and a stream that ends."""
    async with joined(shown_unit) as pair:
        pair.device.put(3_000_000)
        weight = await pair.balance.weigh()
        assert isinstance(weight, Weight)
        assert (weight.stable, pair.is_true(weight)) == (True, True)
        assert await pair.balance.tare() is None
        assert abs(pair.device.truth().tare_ug - 3_000_000) <= TOLERANCE_UG
        assert await pair.balance.zero() is None
        told: list[object] = []
        assert await pair.balance.stream(told.append) is None
        await asyncio.sleep(1)
        assert await pair.balance.stop_stream() is None
        assert len(told) >= 10
        count = len(told)
        await asyncio.sleep(1)
        assert len(told) == count


@pytest.mark.parametrize("fault", [fault.value for fault in LineFault if fault is not LineFault.BAD_CRC])
async def test_no_fault_of_the_line_is_taken_for_a_weight(fault: str) -> None:
    """Whatever the line does to one or two answers, a stable weight is a true one or none, and the next is true."""
    async with joined() as pair:
        wrong = []
        for number in range(ROUNDS):
            pair.device.put(500_000)
            await asyncio.sleep(5)
            pair.inject(fault, count=1 + number % 2)
            weight = await pair.balance.weigh()
            if isinstance(weight, Weight) and not pair.is_true(weight):
                wrong.append(weight)
            pair.device.clear(loop_ns())
            await asyncio.sleep(1)
            if isinstance(weight, CommandFailed):  # it may have to be opened again, which is no wrong answer
                await pair.balance.open()
            after = await pair.balance.weigh()
            assert isinstance(after, Weight), after
            assert pair.is_true(after)
        assert wrong == []


@pytest.mark.parametrize("late_ms", [120, 300, 700, 2000])
async def test_an_answer_late_after_a_cancel_is_nobody_elses(late_ms: int) -> None:
    """A weighing that is cancelled leaves nothing behind that a later one could take for its own."""
    async with joined() as pair:
        for _ in range(20):
            await asyncio.sleep(5)
            pair.inject("late", ms=late_ms)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pair.balance.weigh(), 0.05)
            pair.device.put(500_000)
            await asyncio.sleep(3)
            for _ in range(5):  # not in step yet is no wrong answer
                if isinstance(weight := await pair.balance.weigh(), Weight):
                    break
                await asyncio.sleep(1)
            assert isinstance(weight, Weight)
            assert pair.is_true(weight)


@pytest.mark.parametrize(
    ("fault", "words"), [("hand", "overload"), ("no_pan", "underload"), ("shakes", "not at rest"), ("wrong_id", "")]
)
async def test_what_is_no_weight_is_a_failure(fault: str, words: str) -> None:
    """Overload, underload, a shaking pan and an answer under another name never become a number."""
    async with joined() as pair:
        pair.inject(fault, count=10_000)
        await asyncio.sleep(3)
        failure = await pair.balance.weigh()
        assert isinstance(failure, CommandFailed)
        assert words in failure.seen


async def test_a_brown_out_is_not_weighed_over() -> None:
    """A balance that lost power lost its zero and tare: it must be opened again before it is believed."""
    async with joined() as pair:
        pair.device.put(3_000_000)
        assert isinstance(await pair.balance.weigh(), Weight)
        pair.inject("brownout")
        await asyncio.sleep(1)
        assert isinstance(await pair.balance.weigh(), CommandFailed)
        assert isinstance(await pair.balance.open(), BalanceIdentity)
        weight = await pair.balance.weigh()
        assert isinstance(weight, Weight)
        assert abs(weight.ug) <= TOLERANCE_UG
