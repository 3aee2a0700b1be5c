"""The 9C driver against the simulated board, whose codec and rules were written by others from the same pages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from nebctl.core.device import CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.board_9c.device import Board9C
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_simulators.board_9c.device import Device
from nebctl_simulators.board_9c.settings import Firmware
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
FIRMWARES = [Firmware(), Firmware(pauses=True), Firmware(config_bytes=7, runtime_bytes=46)]


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@dataclass
class Bench:
    """The driver and the simulated board."""

    device: Board9C
    board: Device
    far: MemoryLink

    async def serve(self) -> None:
        """Give the board what the host writes, until the wire is gone."""
        while not isinstance(data := await self.far.read(), CommandFailed):
            self.send(self.board.feed(data, loop_ns()))

    async def tick(self) -> None:
        """Let the board's time pass."""
        while True:
            await asyncio.sleep(0.01)
            self.send(self.board.step(loop_ns()))

    def send(self, data: bytes) -> None:
        """Give the host what the board says."""
        if data:
            self.far.write(data)

    async def run_for(self, seconds: float) -> list[Any]:
        """Beat and read 4 times a second until the time is over or the run has ended."""
        reports: list[Any] = []
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.25)
            await self.device.beat()
            reports.append(await self.device.status())
            if isinstance(reports[-1], DeviceReport) and reports[-1].output is Output.OFF:
                break
        return reports


@asynccontextmanager
async def join(firmware: Firmware, fill_nl: int = 500_000) -> AsyncIterator[Bench]:
    """Join the driver and a simulated board with something in its cup."""
    near, far = memory_pair()
    await far.open()
    unit = build_unit("mesh.solo", 1)
    board = Device(unit=unit, serial="SIM-0009", sim_time=ScaledTime(0, 1000), real_ns=loop_ns(), firmware=firmware)
    board.pour(fill_nl)
    bench = Bench(Board9C(near, port="/x", now_ns=loop_ns, simulated=lambda: True), board, far)
    tasks = [asyncio.create_task(bench.serve()), asyncio.create_task(bench.tick())]
    await asyncio.sleep(3)
    identity = await bench.device.open()
    assert not isinstance(identity, CommandFailed), identity
    try:
        yield bench
    finally:
        await bench.device.close()
        far.close()
        tasks[1].cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("firmware", FIRMWARES, ids=["page", "source", "old"])
async def test_a_dose_until_the_cup_is_dry(firmware: Firmware) -> None:
    """On each firmware a run goes on until the cup is dry, ends by itself as DRY, and the next fill can be started."""
    async with join(firmware) as bench:
        started = await bench.device.start(RUN, 600_000)
        assert isinstance(started, DeviceReport), started
        reports = await bench.run_for(300)
        assert (reports[-1].output, reports[-1].end, reports[-1].dry) == (Output.OFF, EndCause.DRY, True)
        assert {report.boot for report in reports} == {1}
        assert bench.board.truth().output == "OFF"
        bench.board.pour(500_000)
        await asyncio.sleep(2)
        again = await bench.device.start("0badcaff", 600_000)
        assert isinstance(again, DeviceReport), again


@pytest.mark.parametrize("firmware", FIRMWARES, ids=["page", "source", "old"])
async def test_a_lost_host(firmware: Firmware) -> None:
    """On each firmware the mist is off 3 s after the last beat, and the driver says why when it is back."""
    async with join(firmware) as bench:
        await bench.device.start(RUN, 600_000)
        await bench.run_for(3)
        await asyncio.sleep(3.2)
        assert bench.board.truth().output == "OFF"
        report = await bench.device.status()
        assert (report.output, report.end) == (Output.OFF, EndCause.BEAT)
        assert isinstance(await bench.device.start(RUN, 600_000), DeviceReport)


@pytest.mark.parametrize("firmware", FIRMWARES, ids=["page", "source", "old"])
async def test_stop_turns_the_mist_off(firmware: Firmware) -> None:
    """On each firmware STOP ends the mist and is proven."""
    async with join(firmware) as bench:
        await bench.device.start(RUN, 600_000)
        await bench.run_for(3)
        assert bench.board.truth().output == "RUN"
        stopped = await bench.device.stop()
        assert isinstance(stopped, DeviceReport), stopped
        assert (stopped.end, bench.board.truth().output) == (EndCause.STOP, "OFF")


async def test_a_board_that_hides_its_keep_warm_is_not_started() -> None:
    """A board that takes the keep-warm command and says nowhere what came of it is refused before START."""
    async with join(Firmware(config_bytes=7, status_bytes=20, runtime_bytes=46)) as bench:
        failure = await bench.device.start(RUN, 600_000)
        assert isinstance(failure, CommandFailed)
        assert "keep-warm" in failure.seen
        assert (bench.board.truth().output, bench.board.truth().fault) == ("OFF", "NONE")
