"""The simulated gas controller and our driver, each from its own sources, on one wire in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.alicat_ascii.source import AlicatSource, make_bus
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.link import memory_pair
from nebctl_simulators.alicat.device import Device
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.serve import Bench
from nebctl_simulators.shim import LineFault
from nebctl_simulators.simtime import ScaledTime
from nebctl_simulators.wire import MemoryWire

pytestmark = pytest.mark.virtual

ROUNDS = 60


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@dataclass
class Pair:
    """The driver's source and the simulated controller behind it."""

    source: AlicatSource
    device: Device

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, loop_ns())

    async def read(self) -> GasReading:
        """Return a reading, which must come."""
        reading = await self.source.read()
        assert isinstance(reading, GasReading), reading
        return reading


@asynccontextmanager
async def joined(model: Model | None = None) -> AsyncIterator[Pair]:
    """Yield driver and simulator at the two ends of a wire, not yet opened."""
    near, far = memory_pair()
    await far.open()
    sim_time = ScaledTime(loop_ns())
    device = Device(unit=build_unit("jet.lc", 1), serial="SIM-0004", sim_time=sim_time, real_ns=loop_ns(), model=model)
    wire = MemoryWire(lambda data: far.write(data) and None)
    bench = Bench(device, wire, clock=loop_ns)
    bench.plug()

    async def listen() -> None:
        while not isinstance(data := await far.read(), CommandFailed):
            wire.receive(data)

    listener = asyncio.create_task(listen())
    pair = Pair(AlicatSource(make_bus(near, baud=None, now_ns=loop_ns), "A"), device)
    try:
        yield pair
    finally:
        await pair.source.close()
        bench.unplug()
        far.close()
        await listener


@pytest.mark.parametrize(
    "model",
    [Model(), Model(flow_unit="SCCM"), Model(totalizer=True), Model(firmware="9v05.0-R24")],
    ids=["slpm", "sccm", "total", "9v05"],
)
async def test_they_understand_each_other(model: Model) -> None:
    """In each unit, with a totalizer, and with older firmware: who it is, a flow, its read-back, and what flows."""
    async with joined(model) as pair:
        assert await pair.source.open() is None
        assert pair.source.identity is not None
        assert (pair.source.identity.serial, pair.source.identity.model) == ("SIM-0004", "MC-20SLPM-D")
        assert await pair.source.set_flow(6000) is None
        await asyncio.sleep(2)
        reading = await pair.read()
        truth = pair.device.truth()
        assert (reading.setpoint_sccm, round(truth.setpoint * 1000)) == (6000, 6000)
        assert reading.flow_sccm == pytest.approx(truth.flow_sccm, rel=0.01)
        assert reading.pressure_pa == pytest.approx(101_325 + truth.gauge_pa, rel=0.01)


async def test_a_stream_left_on_is_ended_at_the_opening() -> None:
    """A controller that somebody left streaming is heard, stopped and read."""
    async with joined() as pair:
        pair.inject("left_streaming")
        await asyncio.sleep(0.5)
        assert await pair.source.open() is None
        assert (await pair.read()).flow_sccm == 0


@pytest.mark.parametrize("fault", [fault.value for fault in LineFault if fault is not LineFault.BAD_CRC])
async def test_no_fault_of_the_line_is_taken_for_a_flow(fault: str) -> None:
    """Whatever the line does to answers, each reading is a true one or none, and afterwards every reading is true."""
    async with joined() as pair:
        assert await pair.source.open() is None
        wrong = []
        for number in range(ROUNDS):
            wanted = 1000 + 50 * number
            assert await pair.source.set_flow(wanted) is None
            await asyncio.sleep(2)
            pair.inject(fault, count=1 + number % 2)
            reading = await pair.source.read()
            flow = pair.device.truth().flow_sccm
            if isinstance(reading, GasReading) and not is_true(reading, wanted, flow):
                wrong.append((wanted, reading))
            pair.device.clear(loop_ns())
            await asyncio.sleep(1)
            after = await pair.read()
            assert is_true(after, wanted, flow), (wanted, after)
        assert wrong == []


def is_true(reading: GasReading, wanted: int, flow: int) -> bool:
    """Tell whether a reading shows what is so."""
    return reading.setpoint_sccm == wanted and abs(reading.flow_sccm - flow) <= 0.01 * flow + 5


@pytest.mark.parametrize("late_ms", [160, 300, 700, 2000])
async def test_an_answer_late_after_a_cancel_is_nobody_elses(late_ms: int) -> None:
    """A reading that is cancelled in the middle leaves nothing behind that a later one could take for its own."""
    async with joined() as pair:
        assert await pair.source.open() is None
        for number in range(20):
            wanted = 1000 + 50 * number
            assert await pair.source.set_flow(wanted) is None
            await asyncio.sleep(3)
            pair.inject("late", ms=late_ms)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pair.source.read(), 0.05)
            for _ in range(5):  # not in step yet is no wrong answer
                if await pair.source.set_flow(wanted + 25) is None:
                    break
                await asyncio.sleep(1)
            await asyncio.sleep(2)
            assert is_true(await pair.read(), wanted + 25, pair.device.truth().flow_sccm)


@pytest.mark.req("S23")
async def test_a_brown_out_shows_in_the_set_point() -> None:
    """After a loss of power the set-point reads 0 where 6000 was set."""
    async with joined() as pair:
        assert await pair.source.open() is None
        assert await pair.source.set_flow(6000) is None
        pair.inject("brownout")
        assert (await pair.read()).setpoint_sccm == pair.source.reset_sccm == 0


async def test_a_set_point_that_is_not_taken_is_not_believed() -> None:
    """With the analogue input as the source chosen in mid-session a set-point is ignored; the read-back tells."""
    async with joined() as pair:
        assert await pair.source.open() is None
        pair.device.feed(b"ALSS A\r", loop_ns())
        failure = await pair.source.set_flow(6000)
        assert isinstance(failure, CommandFailed)
        assert pair.device.truth().flow_sccm == 0


@pytest.mark.parametrize("fault", ["other_unit", "wrong_id", "short"])
async def test_another_form_of_the_answer_is_no_reading(fault: str) -> None:
    """Another unit on the panel, another ID, a column too few: no number comes of it."""
    async with joined() as pair:
        assert await pair.source.open() is None
        assert await pair.source.set_flow(6000) is None
        await asyncio.sleep(2)
        pair.inject(fault, count=50)
        assert isinstance(await pair.source.read(), CommandFailed)
