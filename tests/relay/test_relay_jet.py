"""A jet whose cut-off stands on GPIO lines and whose gas controller is simulated on Modbus, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.bus import Bus
from nebctl_drivers.gas_controller.modbus_source import ModbusGasSource
from nebctl_drivers.gas_controller.registers import GasMap
from nebctl_drivers.jet.device import Jet
from nebctl_drivers.jet.profile import read_jet_profile
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.timing import Timing
from nebctl_drivers.watchdog_relay.gpio_cutoff import GpioCutOff
from nebctl_drivers.watchdog_relay.gpio_lines import GpioPlace
from nebctl_simulators.jet.device import Device
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

from .conftest import FakeLines, now

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 60_000
GAS, RELAY = 40, 41
PLACE = GpioPlace(chip="/dev/gpiochip0", pulse=17, clear=27, sense=22)


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(now() * 1e9)


def write_frame(function: int, data: bytes) -> bytes:
    """Return a Modbus TCP request to the simulated relay."""
    body = bytes([RELAY, function]) + data
    return b"\0\1\0\0" + len(body).to_bytes(2) + body


@dataclass
class Table:
    """Jet, lines, and the simulated gas line, whose own valve does what the contact on the lines does."""

    jet: Jet
    lines: FakeLines
    device: Device
    far: MemoryLink
    set_at: list[float]

    def turn(self) -> None:
        """Let the simulated valve follow the contact, and time pass."""
        closed, follows = self.lines.closed, self.device.truth().relay_closed
        if closed and not follows:
            self._tell(16, bytes.fromhex("0006 0004 08 0badcafe 0036ee80"))
        if closed is not follows:
            self._tell(5, b"\0\0\xff\0" if closed else b"\0\0\0\0")
        if closed:
            self._tell(16, b"\0\4\0\1\2\0\1")
        self.device.pass_time(loop_ns())

    async def serve(self) -> None:
        """Give the gas controller what the host writes, until the wire is gone."""
        while not isinstance(data := await self.far.read(), CommandFailed):
            self.turn()
            if data[7] == 16:
                self.set_at.append(now())
            answer = self.device.feed(data, loop_ns())
            if answer:
                self.far.write(answer)

    async def tick(self) -> None:
        """Let time pass."""
        while True:
            await asyncio.sleep(0.005)
            self.turn()

    def _tell(self, function: int, data: bytes) -> None:
        self.device.feed(write_frame(function, data), loop_ns())


@asynccontextmanager
async def table(*, opened: bool = True, **traits: Any) -> AsyncIterator[Table]:
    """Join jet, lines and gas controller; afterwards no task may be left."""
    near, far = memory_pair()
    await far.open()
    lines = FakeLines(**traits)
    device = Device(unit=build_unit("jet.lc", 1), serial="SIM-0002", sim_time=ScaledTime(0, 1000), real_ns=loop_ns())
    device.pour(3_000_000)
    bus: Bus[Request, Outcome] = Bus(near, ModbusTcp(), Timing(answer_s=0.2), now_ns=loop_ns)
    registers = GasMap(GAS)
    gas = ModbusGasSource(bus.seat(probe=registers.read_process), registers)
    relay = GpioCutOff(PLACE, now_ns=loop_ns, open_at=lambda _: lines)
    jet = Jet(gas, relay, port="/x", now_ns=loop_ns, profile=read_jet_profile())
    made = Table(jet, lines, device, far, [])
    tasks = [asyncio.create_task(made.serve()), asyncio.create_task(made.tick())]
    if opened:
        identity = await jet.open()
        assert not isinstance(identity, CommandFailed), identity
        assert identity.serial == "gpiochip0:17,27,22"
        made.set_at.clear()
    try:
        yield made
    finally:
        await jet.close()
        far.close()
        tasks[1].cancel()
        await asyncio.wait(tasks)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def poll(bench: Table, seconds: float) -> DeviceReport:
    """Beat and read as the loop of a unit does, and return the last reading."""
    until, report = now() + seconds, None
    while report is None or now() < until:
        await asyncio.sleep(0.25)
        assert await bench.jet.beat() is None
        report = await bench.jet.status()
        assert isinstance(report, DeviceReport), report
    return report


async def started(bench: Table) -> None:
    """Start, and let the gas come up."""
    report = await bench.jet.start(RUN, MAX_ON_MS)
    assert isinstance(report, DeviceReport), report
    report = await poll(bench, 2)
    assert (report.gas_sccm or 0) > 5000


async def test_a_dose_in_its_plain_form() -> None:
    """Open, start, beats: gas flows through the contact; STOP takes both away, and the on-time is the gas's."""
    async with table() as bench:
        assert not bench.lines.closed
        began = now()
        report = await bench.jet.start(RUN, MAX_ON_MS)
        assert isinstance(report, DeviceReport), report
        assert (report.output, report.run) == (Output.RUNNING, RUN)
        assert 1.9 < now() - began < 2.6
        assert len(bench.set_at) == 1, "the set-point goes out once, after the trial"
        running = await poll(bench, 20)
        assert running.on_ms == pytest.approx(20_000, abs=600)
        off = await bench.jet.stop()
        assert isinstance(off, DeviceReport), off
        assert (off.output, off.end) == (Output.OFF, EndCause.STOP)
        assert bench.device.truth().setpoint_sccm == 0


@pytest.mark.req("S20")
async def test_stop_opens_the_contact_before_its_first_await() -> None:
    """Clear is active, and the set-point's frame on its way, before the caller's task gives way to any other."""
    async with table() as bench:
        await started(bench)
        pressed = now()
        stopping = bench.jet.stop()
        with pytest.raises(StopIteration):
            raise StopIteration(stopping.send(None))  # one step of the coroutine, as the loop would make it
        assert bench.lines.moves[-1] == (pressed, "clear", True)
        stopping.close()
        await asyncio.sleep(0.01)
        assert not bench.lines.closed
        assert bench.set_at[-1] == pressed


@pytest.mark.req("S20")
async def test_stop_does_not_need_the_gas_controllers_wire() -> None:
    """With a gas controller that says nothing any more the contact is open within 10 ms all the same, and stays so."""
    async with table() as bench:
        await started(bench)
        bench.device.inject("mute", 1, 60_000, loop_ns())
        stopping = asyncio.create_task(bench.jet.stop())
        await asyncio.sleep(0.01)
        assert not bench.lines.closed
        failure = await stopping
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN
        rises = len(bench.lines.rises)
        assert isinstance(await bench.jet.beat(), CommandFailed)
        assert len(bench.lines.rises) == rises


async def test_stop_does_not_give_up_the_gas_for_a_line_that_fails() -> None:
    """Where the kernel takes the lines away, the set-point is still taken to 0, again and again; OFF is not proven."""
    async with table() as bench:
        await started(bench)
        bench.lines.faults |= {line: OSError(19, "No such device") for line in ("clear", "sense", "pulse")}
        failure = await bench.jet.stop()
        assert isinstance(failure, CommandFailed)
        assert "No such device on the clear line after" in failure.seen
        assert bench.device.truth().setpoint_sccm == 0
        assert len(bench.set_at) > 10
        assert bench.jet.loss is not None
        bench.lines.faults.clear()
        assert not isinstance(await bench.jet.open(), CommandFailed)
        assert bench.jet.loss is None


@pytest.mark.req("S22")
async def test_a_host_that_hangs_means_off_in_two_seconds() -> None:
    """Without a beat the contact opens although no STOP, and no task of the host, does anything."""
    async with table() as bench:
        await started(bench)
        last = bench.lines.rises[-1]
        await asyncio.sleep(last + 1.9 - now() - 0.01)
        assert bench.lines.closed
        await asyncio.sleep(last + 2.0 - now())
        assert not bench.lines.closed
        await asyncio.sleep(0.5)
        report = await bench.jet.status()
        assert isinstance(report, DeviceReport)
        assert (report.gas_sccm or 0) <= 500
        assert (report.output, report.end) == (Output.OFF, EndCause.BEAT)


@pytest.mark.req("S22")
@pytest.mark.parametrize("traits", [{"welds_at": 1}, {"welds_at": 2}, {"kind": "late"}, {"kind": "latching"}])
async def test_a_cut_off_that_sticks_is_found_before_gas_flows(traits: dict[str, Any]) -> None:
    """A contact that welds in the trial, and a relay without clear or without timer, bar the start: no set-point."""
    async with table(**traits) as bench:
        failure = await bench.jet.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN
        assert bench.set_at == []
        assert bench.device.truth().setpoint_sccm == 0


@pytest.mark.req("S26")
async def test_a_contact_that_welds_in_a_run_is_no_proven_stop() -> None:
    """STOP then takes the gas away by the set-point, says that the relay is closed, and the next start is refused."""
    async with table() as bench:
        await started(bench)
        bench.lines.kind = "welded"
        failure = await bench.jet.stop()
        assert isinstance(failure, CommandFailed)
        assert "the relay closed" in failure.seen
        assert bench.device.truth().setpoint_sccm == 0
        assert isinstance(await bench.jet.start(RUN, MAX_ON_MS), CommandFailed)


async def test_a_welded_contact_at_the_opening_still_takes_the_gas_away() -> None:
    """A unit that comes up on a welded contact sends set-point 0 before it says that it cannot open."""
    async with table(opened=False, kind="welded") as bench:
        failure = await bench.jet.open()
        assert isinstance(failure, CommandFailed)
        assert "the relay closed" in failure.seen
        assert bench.set_at


@pytest.mark.req("S24")
async def test_the_host_ends_a_run_at_its_maximum() -> None:
    """The contact opens at the maximum on-time although beats go on; the declaration does not claim S24."""
    async with table() as bench:
        assert bench.jet.declaration.missing() == ("S24",)
        assert isinstance(await bench.jet.start(RUN, 5_000), DeviceReport)
        until = now() + 8
        while now() < until:
            await asyncio.sleep(0.25)
            await bench.jet.beat()
        report = await bench.jet.status()
        assert isinstance(report, DeviceReport)
        assert (report.output, report.end) == (Output.OFF, EndCause.MAX_ON)
        assert 4_500 <= report.on_ms <= 5_500


async def test_a_stop_overtakes_the_trial() -> None:
    """STOP in the two seconds of the trial: proven OFF at once, and no pulse and no set-point afterwards."""
    async with table() as bench:
        starting = asyncio.create_task(bench.jet.start(RUN, MAX_ON_MS))
        await asyncio.sleep(1)
        assert bench.lines.closed
        off = await bench.jet.stop()
        assert isinstance(off, DeviceReport)
        assert off.output is Output.OFF
        pressed, rises = now(), len(bench.lines.rises)
        assert isinstance(await starting, CommandFailed)
        assert now() - pressed < 2.1
        assert len(bench.lines.rises) == rises
        assert bench.device.truth().setpoint_sccm == 0


async def test_the_run_outlives_the_lines() -> None:
    """After a loss and a new opening the host still knows the last run and its closed time."""
    async with table() as bench:
        await started(bench)
        await bench.jet.close()
        assert bench.lines.released
        assert bench.jet.loss is not None
        assert not isinstance(await bench.jet.open(), CommandFailed)
        last = await bench.jet.last_run()
        assert not isinstance(last, CommandFailed)
        assert (last.run, last.end) == (RUN, EndCause.STOP)
        assert 2_000 <= last.on_ms <= 2_700


async def test_a_jet_without_its_lines_does_not_open() -> None:
    """What kept the lines back is told, and nothing is sent to the gas controller."""
    async with table(opened=False) as bench:
        gone = CommandFailed(command="open the relay", certainty=Certainty.NOT_DONE, seen="x", expected="y", advice="z")
        relay = GpioCutOff(PLACE, now_ns=loop_ns, open_at=lambda _: gone)
        jet = Jet(bench.jet._gas, relay, port="/x", now_ns=loop_ns, profile=read_jet_profile())
        assert await jet.open() == gone
        assert bench.set_at == []
        assert isinstance(await relay.feed(1, None), CommandFailed)
        assert isinstance(await relay.read(), CommandFailed)
