"""Driver and simulated unit, two programs that share nothing but the profile's file, on RTU and on Modbus TCP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import nebctl_profiles
from nebctl.core.device import CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.bus import Bus
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus_nebulizer.assembly import modbus_nebulizer
from nebctl_drivers.modbus_nebulizer.device import ModbusNebulizer
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.timing import Timing
from nebctl_simulators.modbus.framing import RtuFraming, TcpFraming
from nebctl_simulators.modbus.line import ModbusLine
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import Spread, build_unit
from nebctl_simulators.simtime import ScaledTime

from .conftest import example, loaded, loop_ns

pytestmark = pytest.mark.virtual

PROFILE = Path(nebctl_profiles.__file__).with_name("modbus-nebulizer.toml")
SPREAD = Spread(rate_nl_s=6400, run_cv=0, residual_percent=0, residual_sd=0, residual_low=0, residual_high=0)


def make_unit(framing: str) -> Nebulizer:
    """Return a simulated unit by the example's file: 6400 nL/s, 3 mL in the cup, nothing left to chance."""
    line = ModbusLine(RtuFraming() if framing == "rtu" else TcpFraming(), 1)
    sim_time = ScaledTime(loop_ns(), 1000)
    unit = replace(build_unit("mesh.solo", 1), spread=SPREAD)
    device = Nebulizer(
        device_map=read_map(PROFILE), unit=unit, serial="SIM-0004", sim_time=sim_time, real_ns=loop_ns(), line=line
    )
    device.pour(3_000_000)
    return device


async def serve(device: Nebulizer, link: MemoryLink) -> None:
    """Give the unit what the host writes, until the wire is gone."""
    while not isinstance(data := await link.read(), CommandFailed):
        answer = device.feed(data, loop_ns())
        if answer:
            link.write(answer)


@asynccontextmanager
async def join(framing: str) -> AsyncIterator[tuple[ModbusNebulizer, Nebulizer]]:
    """Join a driver and a simulated unit."""
    near, far = memory_pair()
    await far.open()
    unit, profile = make_unit(framing), loaded(example())
    serving = asyncio.create_task(serve(unit, far))
    if framing == "rtu":
        bus = Bus(near, ModbusRtu(), rtu_timing(baud=19_200, answer_s=0.1), now_ns=loop_ns)
    else:
        bus = Bus(near, ModbusTcp(), Timing(answer_s=0.1), now_ns=loop_ns)
    driver = modbus_nebulizer(bus, profile, unit=40, port="/x", now_ns=loop_ns)
    try:
        yield driver, unit
    finally:
        await driver.close()
        far.close()
        await serving


async def poll(driver: ModbusNebulizer, seconds: float) -> DeviceReport:
    """Beat and read four times a second, and return the last reading."""
    report = None
    for _ in range(round(seconds * 4)):
        await asyncio.sleep(0.25)
        assert await driver.beat() is None
        report = await driver.status()
        assert isinstance(report, DeviceReport), report
    assert report is not None
    return report


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
async def test_a_dose_runs_dry(framing: str) -> None:
    """Open, start, run until the cup is dry: the device's own end, on-time and quantities come through."""
    async with join(framing) as (driver, unit):
        identity = await driver.open()
        assert not isinstance(identity, CommandFailed), identity
        assert (identity.serial, identity.simulated) == ("SIM-0004", True)
        started = await driver.start("0badcafe", 1_200_000)
        assert isinstance(started, DeviceReport), started
        assert (started.run, started.output is Output.OFF) == ("0badcafe", False)
        running = await poll(driver, 5)
        assert (running.output, running.boot) == (Output.RUNNING, identity.boot)
        assert running.drive_hz is not None
        assert 100_000 < running.drive_hz < 150_000
        assert 4000 < running.on_ms < 6000
        ended = await poll(driver, 480)
        assert (ended.output, ended.end, ended.dry) == (Output.OFF, EndCause.DRY, True)
        assert unit.truth().cup_nl < 100_000


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
async def test_a_stop_and_a_silent_host(framing: str) -> None:
    """STOP turns the unit off at once; a host that falls silent is answered by the unit's own watchdog."""
    async with join(framing) as (driver, _):
        assert not isinstance(await driver.open(), CommandFailed)
        assert isinstance(await driver.start("0badcafe", 1_200_000), DeviceReport)
        await poll(driver, 3)
        stopped = await driver.stop()
        assert isinstance(stopped, DeviceReport)
        assert (stopped.output, stopped.end) == (Output.OFF, EndCause.STOP)
        again = await driver.start("0badcafe", 1_200_000)
        assert isinstance(again, DeviceReport), again
        await poll(driver, 1)
        await asyncio.sleep(2.5)
        report = await driver.status()
        assert isinstance(report, DeviceReport)
        assert (report.output, report.end) == (Output.OFF, EndCause.BEAT)


async def test_a_brown_out_shows() -> None:
    """The unit loses power in mid-run: another boot, off, and no start before it is opened again."""
    async with join("rtu") as (driver, unit):
        identity = await driver.open()
        assert not isinstance(identity, CommandFailed)
        assert isinstance(await driver.start("0badcafe", 1_200_000), DeviceReport)
        await poll(driver, 2)
        unit.switch_power(False, loop_ns())
        await asyncio.sleep(1)
        unit.switch_power(True, loop_ns())
        await asyncio.sleep(1)
        report = await driver.status()
        assert isinstance(report, DeviceReport), report
        assert (report.boot, report.output) == (identity.boot + 1, Output.OFF)
        assert isinstance(await driver.start("0badcafe", 1_200_000), CommandFailed)
