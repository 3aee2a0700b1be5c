"""A jet nebulizer on a bench: the driver and the simulated devices joined in memory, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from nebctl.core.device import CommandFailed, DeviceReport
from nebctl_drivers.bus import Bus
from nebctl_drivers.jet.assembly import modbus_jet
from nebctl_drivers.jet.device import Jet
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.timing import Timing
from nebctl_simulators.jet.device import Device, Truth
from nebctl_simulators.jet.presets import Unit, build_unit
from nebctl_simulators.simtime import ScaledTime

TICK_S = 0.01
FILL_NL = 3_000_000


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


def steady_unit() -> Unit:
    """Return a unit without chance: 4000 nL/s of aerosol, 64 % of what leaves, 1.0 mL stays."""
    unit = build_unit("jet.lc", 1)
    table = {name: dict(values) for name, values in unit.table.items()}
    table["aerosol"]["run_cv"] = table["share"]["run_sd_percent"] = table["residual"]["sd_ml"] = 0
    table["cooling"]["fresh_percent"] = 0
    return replace(unit, aerosol_nl_s=4000, share=0.64, table=table)


@dataclass
class Bench:
    """The driver, the simulated devices, and every request that they heard, by function and first address."""

    jet: Jet
    device: Device
    far: MemoryLink
    heard: list[tuple[float, int, int]]
    hold: bool = False

    @property
    def truth(self) -> Truth:
        """Return what is really so, now."""
        self.device.pass_time(loop_ns())
        return self.device.truth()

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault."""
        self.device.inject(fault, count, ms, loop_ns())

    def stops(self) -> int:
        """Return how often the relay was told to open."""
        return sum(function == 5 and not on for _, function, on in self.heard)

    async def serve(self) -> None:
        """Give the devices what the host writes, until the wire is gone."""
        while not isinstance(data := await self.far.read(), CommandFailed):
            self._note(data)
            if not self.hold:
                self._send(self.device.feed(data, loop_ns()))

    async def tick(self) -> None:
        """Let the devices' time pass."""
        while True:
            await asyncio.sleep(TICK_S)
            self._send(self.device.step(loop_ns()))

    def _send(self, data: bytes) -> None:
        if data:
            self.far.write(data)

    def _note(self, data: bytes) -> None:
        while data:
            length = 6 + int.from_bytes(data[4:6])
            frame, data = data[:length], data[length:]
            told = frame[10] if frame[7] == 5 else int.from_bytes(frame[8:10])
            self.heard.append((asyncio.get_running_loop().time(), frame[7], told))


@asynccontextmanager
async def join(*, opened: bool = True, fill_nl: int = FILL_NL, speed: int = 1) -> AsyncIterator[Bench]:
    """Join driver and devices; afterwards no task of the driver may be left. `speed` is plant time over loop time."""
    near, far = memory_pair()
    await far.open()
    device = Device(unit=steady_unit(), serial="SIM-0002", sim_time=ScaledTime(0, speed * 1000), real_ns=loop_ns())
    device.pour(fill_nl)
    bus = Bus(near, ModbusTcp(), Timing(answer_s=0.2), now_ns=lambda: loop_ns() * speed)
    jet = modbus_jet(bus, port="/x", now_ns=lambda: loop_ns() * speed)
    bench = Bench(jet, device, far, [])
    tasks = [asyncio.create_task(bench.serve()), asyncio.create_task(bench.tick())]
    if opened:
        identity = await jet.open()
        assert not isinstance(identity, CommandFailed), identity
        bench.heard.clear()
    try:
        yield bench
    finally:
        await jet.close()
        far.close()
        tasks[1].cancel()
        await asyncio.wait(tasks)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def poll(bench: Bench, seconds: float, every_s: float = 0.25) -> list[DeviceReport]:
    """Beat and read as the loop of a unit does, and return the readings."""
    reports = []
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(every_s)
        await bench.jet.beat()
        report = await bench.jet.status()
        assert isinstance(report, DeviceReport), report
        reports.append(report)
    return reports


@pytest.fixture(name="join")
def join_fixture() -> Callable[..., object]:
    """Give tests the joint; an async fixture could not check for left-over tasks."""
    return join


@pytest.fixture(name="poll")
def poll_fixture() -> Callable[..., object]:
    """Give tests the loop of a unit."""
    return poll
